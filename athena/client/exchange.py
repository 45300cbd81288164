"""What is sent to a gateway and what comes back, without saying how.

What a client does is written once, as generators that yield what is to be sent and are given what came of
it; a client that waits and one for asyncio carry that out.
"""

import json
import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """A request.

    Attributes:
        path: with its query.
        wait_s: so long the gateway may take, beside what an answer takes anyway.
        within_s: so much time is left for all of it.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    within_s: float = math.inf


@dataclass(frozen=True)
class Pause:
    """A time in which nothing is sent."""

    for_s: float


@dataclass(frozen=True)
class Answer:
    """What a gateway, or something on the way to it, has answered; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:
        """Returns what its JSON says; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Lost:
    """That no answer came; what was asked may have been done.

    Attributes:
        why: in words.
        is_final: whether asking again cannot help, as where a certificate is not trusted.
    """

    why: str
    is_final: bool = False


#: Yields what is to be sent, or a pause; is given what came of it, None after a pause.
Steps = Generator[Ask | Pause, Answer | Lost | None, T]
