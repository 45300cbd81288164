"""Whether a body is the one that was signed."""

import hashlib
import hmac

from athena.errors import CredentialsError


class BodyDigest:
    """Reads a body along, piece by piece, as it came over the wire.

    Args:
        expected: the SHA-256 that it must have, 32 bytes.
    """

    def __init__(self, expected: bytes) -> None:
        self._expected = expected
        self._hash = hashlib.sha256()

    def update(self, piece: bytes) -> None:
        """Reads the next piece."""
        self._hash.update(piece)

    def check(self) -> None:
        """Refuses another body; call it at the end.

        Raises:
            CredentialsError: it is another one.
        """
        if not hmac.compare_digest(self._hash.digest(), self._expected):
            raise _other_body()


def check_body(raw: bytes, expected: bytes) -> None:
    """Refuses a body that is not the one that was signed.

    Raises:
        CredentialsError: it is another one.
    """
    if not hmac.compare_digest(hashlib.sha256(raw).digest(), expected):
        raise _other_body()


def _other_body() -> CredentialsError:
    return CredentialsError("the body is not the one whose Digest was signed")
