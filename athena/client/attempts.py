"""Sending again what nobody has answered, and what a gateway can do later.

A request that makes a job carries a `request_id`, so it may have arrived, and be sent again, without a second
job; all others change nothing, or the same the second time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from athena.client.errors import UnreachableError
from athena.client.exchange import Answer, Ask, Lost, Pause, Steps

#: Statuses that pass: what a gateway says of itself, and what proxies say when it is away.
_BUSY, _AWAY = (429, 503), (502, 504)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0


@dataclass(frozen=True)
class Patience:
    """How often something is asked, and how long.

    Attributes:
        retries: how often it is asked again.
        deadline_s: when no more is asked, on `clock`.
        clock: tells the time.
        chance: a number from 0 to 1 at random: callers who lost a gateway together do not return together.
    """

    retries: int
    deadline_s: float
    clock: Callable[[], float]
    chance: Callable[[], float]

    @property
    def left_s(self) -> float:
        """How much time is left."""
        return max(0.0, self.deadline_s - self.clock())

    def without_retries(self) -> "Patience":
        """Returns the same for what may be asked only once."""
        return replace(self, retries=0)

    def pause_s(self, attempt: int, asked_s: float = 0.0) -> float:
        """Returns how long to wait after an attempt, from 0 on; `asked_s` is what the gateway asks for."""
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**attempt)
        return max(longest_s * (0.5 + self.chance() / 2), asked_s)


def persist(ask: Ask, patience: Patience) -> Steps[Answer]:
    """Asks until there is an answer that another try would not change.

    Raises:
        UnreachableError: there is none, as often as it was asked.
    """
    attempt = 0
    while True:
        got = yield replace(ask, within_s=patience.left_s)
        assert got is not None
        pause_s = patience.pause_s(attempt, _asked_s(got))
        if not passes(got) or attempt >= patience.retries or pause_s >= patience.left_s:
            break
        yield Pause(pause_s)
        attempt += 1
    if isinstance(got, Lost):
        tries = f" ({attempt + 1} tries)" if attempt else ""
        raise UnreachableError(got.why + tries, retryable=not got.is_final)
    return got


def passes(got: Answer | Lost) -> bool:
    """Whether the same may be answered differently later."""
    if isinstance(got, Lost):
        return not got.is_final
    # A gateway's own 502 and 504 are how a job has ended.
    return got.status in _BUSY or (got.status in _AWAY and not speaks_as_gateway(got))


def speaks_as_gateway(answer: Answer) -> bool:
    """Whether an error is in a gateway's words."""
    document = answer.document()
    header = document.get("header") if isinstance(document, dict) else None
    return isinstance(header, dict) and isinstance(header.get("code"), int)


def _asked_s(got: Answer | Lost) -> float:
    text = got.headers.get("retry-after", "") if isinstance(got, Answer) else ""
    # The other form is a date, which no gateway sends.
    return float(text) if text.isdecimal() and len(text) < 6 else 0.0
