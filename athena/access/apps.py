"""Applications and their keys."""

import hashlib
from dataclasses import dataclass, field, replace

from athena.access.scopes import Scopes
from athena.errors import CredentialsError

#: So many keys of an application open at a time: the one in use, and the one that follows it.
MAX_LIVE_KEYS = 2

#: How long it is still known why a key does not open any more.
REMEMBERED_S = 30 * 86400


def hash_of(token: bytes) -> str:
    """Returns what is kept of a key: it is random, so one round of SHA-256 cannot be undone."""
    return hashlib.sha256(token).hexdigest()


@dataclass(frozen=True)
class Key:
    """One key of an application, without the key itself.

    Attributes:
        api_key: its public name, that signatures carry.
        token_hash: of the bearer key.
        secret: with which its owner signs, "" where there is none; sealed (`athena.access.sealing`) where it
            comes from Redis.
        expires_s: from when on it opens no more; 0 for never.
        revoked_s: when an operator took it back; 0 for never.
    """

    api_key: str
    token_hash: str
    secret: str = field(default="", repr=False)
    created_s: float = 0.0
    expires_s: float = 0.0
    revoked_s: float = 0.0

    def is_live(self, now_s: float) -> bool:
        """Whether it opens."""
        return not self.revoked_s and not 0 < self.expires_s <= now_s

    def check(self, now_s: float) -> None:
        """Refuses a key that opens no more; ask only for a caller who has shown that it is theirs.

        Raises:
            CredentialsError: it was revoked, or has expired.
        """
        if not self.is_live(now_s):
            how = "was revoked" if self.revoked_s else "has expired"
            raise CredentialsError(f"the key {self.api_key} {how}")

    def is_forgotten(self, now_s: float) -> bool:
        """Whether it ended so long ago that nobody has to be told why."""
        ended_s = self.revoked_s or self.expires_s
        return 0 < ended_s < now_s - REMEMBERED_S


@dataclass(frozen=True)
class App:
    """An application, which `header.app_id` names."""

    app_id: str
    scopes: Scopes = field(default_factory=Scopes)
    keys: tuple[Key, ...] = ()

    def live_keys(self, now_s: float) -> list[Key]:
        """Returns the keys that open."""
        return [key for key in self.keys if key.is_live(now_s)]

    def with_key(self, key: Key, now_s: float) -> "App":
        """Returns it with one more key, and without those that were long forgotten."""
        kept = tuple(known for known in self.keys if not known.is_forgotten(now_s))
        return replace(self, keys=(*kept, key))

    def with_changed(self, key: Key) -> "App":
        """Returns it with another form of a key that it has."""
        return replace(
            self, keys=tuple(key if known.api_key == key.api_key else known for known in self.keys)
        )
