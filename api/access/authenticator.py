"""From the head of a request to its caller."""

import hmac
from collections.abc import Callable
from typing import NamedTuple

from api.access.key_book import Caller, KeyBook, is_bearer
from api.access.proofs import PARTS, Claim, Parts, host_name, parts_of, read_claim
from api.access.replays import Replays
from api.http.heads import Headers
from athena.errors import CredentialsError
from athena.plain_text import plain_line
from athena.protocol.signature import MAX_SKEW_S, date_text, read_date, read_digest
from athena.protocol.signing_key import SigningKey
from athena.setting_values import DIGEST_ONLY, NO_SIGNATURE, HostPattern
from athena.settings import Settings

#: So many signatures that were found to be right are kept with what was found.
_MAX_PROVEN = 2048

#: Methods whose requests have a body that matters.
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))

#: What the signature of an unknown key is compared with: it takes as long as that of a known one.
_NOBODY = SigningKey(b"\0" * 32)


class Proven(NamedTuple):
    """Who has sent a request, and what is left of it.

    Attributes:
        target: without the signature.
        digest: that its body must have; None for any.
    """

    caller: Caller
    target: str | None = None
    digest: bytes | None = None


class _Signed(NamedTuple):
    """A signature that was right when it came first."""

    proven: Proven
    date_s: float
    first_s: float


class Authenticator:
    """Tells who calls.

    Args:
        book: the keys.
        signatures: which are taken, as in the settings.
        repeat_s: see `Replays`.
        aliases: names of the gateway that a proxy may have replaced in `Host`.
        now: tells the time in seconds since 1970.
    """

    def __init__(
        self,
        book: KeyBook,
        signatures: str,
        repeat_s: float,
        aliases: tuple[HostPattern, ...],
        now: Callable[[], float],
    ) -> None:
        self._book = book
        self._signatures = signatures
        self._replays = Replays(repeat_s)
        self._aliases = aliases
        self._now = now
        # A busy caller's requests of one second have one signature, which is worked out once.
        self._signed: dict[tuple[str | bytes | None, ...], _Signed] = {}

    def identify(self, method: str, target: bytes, headers: Headers) -> Proven:
        """Returns who has sent a request.

        Args:
            method: as `POST`.
            target: path and query as they were sent.
            headers: with names in small letters.

        Raises:
            CredentialsError: that cannot be told, or their key opens no more.
            StoreError: nobody knows yet which keys there are.
        """
        parts = parts_of(headers)
        authorization = parts.get(b"authorization")
        now_s = self._now()
        if authorization is not None:
            caller = self._book.known(authorization)
            if caller is None and is_bearer(authorization):
                caller = self._book.of_bearer(authorization)
            if caller is not None:
                caller.key.check(now_s)
                return Proven(caller)
        return self._identify_signed(method, target, parts, now_s)

    def forget(self) -> None:
        """Forgets what was found: the keys have changed."""
        self._signed.clear()

    def _identify_signed(self, method: str, target: bytes, parts: Parts, now_s: float) -> Proven:
        seen = (method, target, *map(parts.get, PARTS))
        signed = self._signed.get(seen)
        if signed is not None:
            _check_skew(signed.date_s, now_s)
            signed.proven.caller.key.check(now_s)
            self._replays.check(signed.first_s, now_s)
            return signed.proven
        signed = self._prove(method, target.decode("latin-1"), parts, now_s)
        if len(self._signed) >= _MAX_PROVEN:
            self._signed.clear()
        self._signed[seen] = signed
        return signed.proven

    def _prove(self, method: str, target: str, parts: Parts, now_s: float) -> _Signed:
        claim = read_claim(method, target, parts)
        if claim is None:
            raise CredentialsError("send a key: Authorization: Bearer <key>, or a signature")
        digest = read_digest(claim.digest) if claim.signature.covers_body else None
        # First what an honest caller may have wrong, and what tells a stranger nothing of keys.
        self._check_form(method, digest)
        date_s = read_date(claim.date)
        _check_skew(date_s, now_s)
        self._check_host(claim, parts)
        caller = self._caller_of(claim)
        caller.key.check(now_s)
        first_s = self._replays.admit(claim.signature.mac, date_s, now_s)
        return _Signed(Proven(caller, claim.target, digest), date_s, first_s)

    def _check_form(self, method: str, digest: bytes | None) -> None:
        if self._signatures == NO_SIGNATURE:
            raise CredentialsError("signatures are not taken here; send Authorization: Bearer <key>")
        if self._signatures == DIGEST_ONLY and method in _WITH_BODY and digest is None:
            raise CredentialsError(
                'the signature has to cover the body: headers="host date request-line digest"'
            )

    def _check_host(self, claim: Claim, parts: Parts) -> None:
        host = claim.hosts[0]
        signed, asked = host_name(host), host_name(parts.get(b"host", b"").decode("latin-1"))
        if signed == asked or any(alias.allows(signed, 0, 0) for alias in self._aliases):
            return
        raise CredentialsError(
            f"the signature is for host {plain_line(host, 100)!r}, and the request came to "
            f"{plain_line(asked, 100)!r}; sign the name of the URL, or have the operator list it in "
            "ATHENA_ALLOWED_HOSTS"
        )

    def _caller_of(self, claim: Claim) -> Caller:
        caller = self._book.of_signature(claim.signature.api_key)
        key = caller.secret if caller is not None and caller.secret else _NOBODY
        mac = claim.signature.mac
        # Whoever has the secret wrong waits for all of them, as does whoever names a key that is not there.
        is_signed = any(hmac.compare_digest(key.mac(text), mac) for text in claim.texts())
        if caller is None or not caller.secret or not is_signed:
            shown = plain_line(next(claim.texts()).replace("\n", " | "), 500)
            raise CredentialsError(
                "there is no such api_key, it cannot sign, or its secret has not signed this text "
                f"(lines are divided by '|' here): {shown}"
            )
        return caller


def _check_skew(date_s: float, now_s: float) -> None:
    if abs(date_s - now_s) > MAX_SKEW_S:
        raise CredentialsError(
            f"the request's date is {abs(date_s - now_s):.0f} s from the gateway's clock, which says "
            f"{date_text(now_s)}; {MAX_SKEW_S} s are allowed"
        )


def make_authenticator(settings: Settings, book: KeyBook, now: Callable[[], float]) -> Authenticator:
    """Returns the authenticator that the settings describe."""
    named = tuple(pattern for pattern in settings.allowed_hosts if pattern.name != "*")
    return Authenticator(book, settings.signatures, settings.signature_repeat_s, named, now)
