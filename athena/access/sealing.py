"""Secrets that lie in Redis: sealed with a key that only gateways and operators have (AES-256-GCM)."""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: What NIST SP 800-38D advises for a nonce; a chance one, as every secret is sealed once.
_NONCE_BYTES = 12

_PURPOSE = b"athena: secrets of signatures"


class Seal:
    """Seals secrets, and opens them.

    Args:
        seal_key: the operator's, of 32 random characters or more.
    """

    def __init__(self, seal_key: str) -> None:
        # It is random already: a slow derivation, as for passwords, would add nothing.
        self._cipher = AESGCM(hashlib.sha256(_PURPOSE + seal_key.encode()).digest())

    def close(self, api_key: str, secret: str) -> str:
        """Returns a secret as it may be kept; it opens for the same key alone."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), api_key.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, api_key: str, sealed: str) -> str | None:
        """Returns a secret; None if it was sealed with another key, for another one, or was changed."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            secret = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], api_key.encode())
        except (ValueError, InvalidTag):
            return None
        return secret.decode()
