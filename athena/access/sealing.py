"""Secrets that lie in Redis: sealed with a key that only gateways and operators have (AES-256-GCM)."""

import base64
import hashlib
import os
from collections.abc import Callable

#: What NIST SP 800-38D advises for a nonce; a chance one, as every secret is sealed once.
_NONCE_BYTES = 12

#: Opens the sealed secret of an api_key; None where it cannot.
OpenSecret = Callable[[str, str], str | None]

_PURPOSE = b"athena: secrets of signatures"


class Seal:
    """Seals secrets, and opens them.

    Args:
        seal_key: the operator's, of 32 random characters or more.
    """

    def __init__(self, seal_key: str) -> None:
        # OpenSSL's bindings, which all who seal nothing do without.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        # It is random already: a slow derivation, as for passwords, would add nothing.
        self._cipher = AESGCM(hashlib.sha256(_PURPOSE + seal_key.encode()).digest())

    def close(self, api_key: str, secret: str) -> str:
        """Returns a secret as it may be kept; it opens for the same key alone."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), api_key.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, api_key: str, sealed: str) -> str | None:
        """Returns a secret; None if it was sealed with another key, for another one, or was changed."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(sealed, validate=True)
            secret = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], api_key.encode())
        except (ValueError, InvalidTag):
            return None
        return secret.decode()


def opener_of(seal_key: str) -> OpenSecret | None:
    """Returns what opens the secrets that were sealed with a key; None without one."""
    return Seal(seal_key).open if seal_key else None
