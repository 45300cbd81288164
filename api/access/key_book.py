"""The keys that a gateway knows: looked up without Redis, as that may be away."""

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from athena.access.apps import App, Key, hash_of
from athena.access.scopes import Role, Scopes
from athena.errors import CredentialsError, StoreError
from athena.protocol.signing_key import SigningKey

logger = logging.getLogger(__name__)

_SCHEME = b"bearer "

#: So many headers are remembered; there are more only where one key is spelled in many ways.
_MAX_REMEMBERED = 4096

#: What the admin token is called where keys are listed by name.
ADMIN_TOKEN = "the admin token"

#: Returns a key's secret in plain text; None if it cannot be had.
Opener = Callable[[Key], str | None]


class Caller(NamedTuple):
    """Whose request it is.

    Attributes:
        secret: with which they sign; None where the key has none.
    """

    app_id: str
    scopes: Scopes
    key: Key
    secret: SigningKey | None

    def sees(self, app_id: str) -> bool:
        """Whether the jobs of an application exist for them."""
        return self.scopes.sees_all or app_id == self.app_id

    def may_name(self, app_id: str) -> bool:
        """Whether their jobs may carry an app_id."""
        return self.scopes.role is Role.OPERATOR or app_id == self.app_id


class KeyBook:
    """All keys, by what requests carry of them.

    Args:
        admin_token: opens what an operator's key does; "" for none.
    """

    def __init__(self, admin_token: str = "") -> None:
        self._admin = _admin(admin_token) if admin_token else None
        #: Whether it was ever told which keys there are.
        self.is_known = False
        self._by_hash: dict[str, Caller] = {}
        self._by_api_key: dict[str, Caller] = {}
        self._by_header: dict[bytes, Caller] = {}
        self._enter(())

    def replace(self, apps: Iterable[App], opened: Opener) -> None:
        """Knows these applications from now on, and no others."""
        self._enter(
            Caller(app.app_id, app.scopes, key, SigningKey(secret.encode()) if secret else None)
            for app in apps
            for key in app.keys
            for secret in (opened(key),)
        )
        self.is_known = True

    def _enter(self, callers: Iterable[Caller]) -> None:
        listed = [*callers, *([self._admin] if self._admin else ())]
        self._by_hash = {caller.key.token_hash: caller for caller in listed if caller.key.token_hash}
        self._by_api_key = {caller.key.api_key: caller for caller in listed}
        self._by_header = {}

    def known(self, authorization: bytes) -> Caller | None:
        """Returns the caller of an `Authorization` header that `of_bearer` has seen; None of others."""
        # Found by the hash of the whole header, with a chance seed: how long it takes tells nothing of a key.
        return self._by_header.get(authorization)

    def of_bearer(self, authorization: bytes) -> Caller:
        """Returns the caller of an `Authorization` header that carries a key; it may have expired.

        Raises:
            CredentialsError: there is no such key.
            StoreError: nobody knows yet which keys there are.
        """
        caller = self._by_hash.get(hash_of(authorization[len(_SCHEME) :].strip()))
        if caller is None:
            raise self._unknown("there is no such key")
        if len(self._by_header) >= _MAX_REMEMBERED:
            self._by_header.clear()
        self._by_header[authorization] = caller
        return caller

    def of_signature(self, api_key: str) -> Caller | None:
        """Returns whose signature it is said to be; None for an unknown key.

        Raises:
            StoreError: nobody knows yet which keys there are.
        """
        caller = self._by_api_key.get(api_key)
        if caller is None and not self.is_known:
            raise self._unknown("")
        return caller

    def _unknown(self, message: str) -> CredentialsError | StoreError:
        if self.is_known:
            return CredentialsError(message)
        return StoreError("Redis cannot be reached, so the keys are not known yet", retry_after_s=1)


def is_bearer(authorization: bytes) -> bool:
    """Whether an `Authorization` header carries a key."""
    return authorization[: len(_SCHEME)].lower() == _SCHEME


def _admin(token: str) -> Caller:
    return Caller("", Scopes(Role.OPERATOR), Key(ADMIN_TOKEN, hash_of(token.encode())), None)
