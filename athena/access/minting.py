"""New keys: random, and shown once."""

import secrets
from dataclasses import dataclass, field

from athena.access.apps import Key, hash_of
from athena.access.sealing import Seal

#: Before each bearer key, so that programs that look for leaked secrets know it.
TOKEN_PREFIX = "athena_"

#: Bytes of chance in a key or a secret.
_RANDOM_BYTES = 32


@dataclass(frozen=True)
class NewKey:
    """A key in plain text, for its owner alone.

    Attributes:
        api_key: its public name.
        token: what `Authorization: Bearer` carries.
        secret: for signatures.
    """

    api_key: str
    token: str = field(repr=False)
    secret: str = field(repr=False)

    def sealed(self, seal_key: str) -> str:
        """Returns the secret as Redis may hold it; "" where there is nothing to seal it with."""
        if not seal_key:
            return ""
        return Seal(seal_key).close(self.api_key, self.secret)

    def shown(self, app_id: str, signs: bool) -> dict[str, str]:
        """Returns what its owner is shown, once."""
        document = {"app_id": app_id, "key": self.token, "api_key": self.api_key}
        return document | {"api_secret": self.secret} if signs else document

    def kept(self, secret: str, now_s: float, expires_s: float = 0.0) -> Key:
        """Returns what is kept of it; `secret` is its own, as it may be kept, or ""."""
        return Key(self.api_key, hash_of(self.token.encode()), secret, now_s, expires_s)


def mint() -> NewKey:
    """Returns a key that there was never before."""
    return NewKey(
        f"AK{secrets.token_hex(10)}",
        f"{TOKEN_PREFIX}{secrets.token_urlsafe(_RANDOM_BYTES)}",
        secrets.token_urlsafe(_RANDOM_BYTES),
    )
