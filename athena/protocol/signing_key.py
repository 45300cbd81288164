"""A secret, ready to sign."""

import hashlib

_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class SigningKey:
    """Signs with HMAC-SHA256 (RFC 2104).

    Both hashes are begun with the secret once: OpenSSL sets a key up for longer than it signs a head with it.
    """

    def __init__(self, secret: bytes) -> None:
        fitting = secret if len(secret) <= _BLOCK_BYTES else hashlib.sha256(secret).digest()
        block = fitting.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def mac(self, text: str) -> bytes:
        """Returns the 32 bytes that sign a text."""
        inner = self._inner.copy()
        inner.update(text.encode("utf-8", "surrogateescape"))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()
