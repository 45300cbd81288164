"""How a request says whose it is: by a key, or by a signature."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from athena.errors import ConfigError
from athena.protocol.signature import signed_headers, signed_url


class Credentials(Protocol):
    """Signs each request anew, at the moment at which it is sent."""

    def sign(self, method: str, url: str, body: bytes) -> tuple[str, Mapping[str, str]]:
        """Returns the URL and the headers with which a request is sent."""


@dataclass(frozen=True)
class BearerKey:
    """A key, which each request carries."""

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.key or not self.key.isascii() or not self.key.isprintable() or " " in self.key:
            raise ConfigError(
                "a key is one word of ASCII letters, digits and signs, as athena keys create shows it"
            )

    def sign(self, method: str, url: str, body: bytes) -> tuple[str, Mapping[str, str]]:
        """Returns the URL and the headers with which a request is sent."""
        return url, {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True)
class SigningPair:
    """A public name and a secret, which signs and never travels.

    Attributes:
        covers_body: signs headers and the body (`Digest`); else the query, as the original's clients do.
    """

    api_key: str
    api_secret: str = field(repr=False)
    covers_body: bool = False

    def sign(self, method: str, url: str, body: bytes) -> tuple[str, Mapping[str, str]]:
        """Returns the URL and the headers with which a request is sent."""
        if self.covers_body:
            return url, signed_headers(url, method, body, self.api_key, self.api_secret)
        return signed_url(url, method, self.api_key, self.api_secret), {}


def read_credentials(path: Path, signs: bool = False) -> Credentials:
    """Returns what a file holds: a key alone, or what `athena keys create --json` has printed.

    Args:
        path: of the file.
        signs: whether to sign instead of sending the key.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the key in {path}: {error}") from None
    if not text.startswith("{"):
        if signs:
            raise ConfigError(
                f"{path} holds a key alone; signing takes what athena keys create --json prints"
            )
        return BearerKey(text)
    try:
        document = json.loads(text)
        if signs:
            return SigningPair(document["api_key"], document["api_secret"])
        return BearerKey(document["key"])
    except (ValueError, KeyError, TypeError):
        wanted = "api_key and api_secret" if signs else "key"
        raise ConfigError(
            f"{path} is no JSON with {wanted}, as athena keys create --json prints it"
        ) from None
