"""What `submit.lua` and `requeue.lua` say of a job on its way into a queue, as types."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """It lies in its queue.

    Attributes:
        rate: whose requests are counted, how many at once, how many a second, and how many are left; "" where
            none are.
    """

    rate: str = ""


@dataclass(frozen=True, slots=True)
class Attached:
    """Its request_id is that of another job with the same body, which stands for it.

    Attributes:
        job_id: of that job.
    """

    job_id: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Its request_id is that of another job with another body.

    Attributes:
        job_id: of that job.
    """

    job_id: str


@dataclass(frozen=True, slots=True)
class QueueFull:
    """Its ability's queue holds as many jobs as it may.

    Attributes:
        jobs: how many it holds.
    """

    jobs: int


@dataclass(frozen=True, slots=True)
class QueueHeavy:
    """Its ability's open jobs hold as many bytes as they may.

    Attributes:
        held_bytes: how many they hold.
    """

    held_bytes: int


@dataclass(frozen=True, slots=True)
class InputsLost:
    """The inputs that were put beside its message are not there."""


@dataclass(frozen=True, slots=True)
class LetterGone:
    """The job that it tries again is no dead letter any more."""


@dataclass(frozen=True, slots=True)
class SubmitFailed:
    """Redis has refused one of its commands.

    Attributes:
        reason: in Redis' words.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class OverQuota:
    """Its app has as much as it may have.

    Attributes:
        detail: whose limit it is, which, how much, and the milliseconds until there may be room.
    """

    detail: str


#: Why a job is in no queue.
Refused = Conflict | QueueFull | QueueHeavy | InputsLost | LetterGone | SubmitFailed | OverQuota
Verdict = Accepted | Attached | Refused

#: The one that nearly all jobs get; there is no other of its kind, so `is` tells it.
ACCEPTED = Accepted()


#: How what follows a verdict's word is read.
_READERS: dict[str, Callable[[str], Verdict]] = {
    "accepted": Accepted,
    # Its state follows.
    "attached": lambda detail: Attached(detail.partition(" ")[0]),
    "conflict": Conflict,
    "full": lambda detail: QueueFull(int(detail)),
    "heavy": lambda detail: QueueHeavy(int(detail)),
    "quota": OverQuota,
    "payload_lost": lambda _: InputsLost(),
    "gone": lambda _: LetterGone(),
    "failed": SubmitFailed,
}


def read_verdict(raw: bytes) -> Verdict:
    """Reads what a script says of one job.

    Raises:
        ValueError: no script says that.
    """
    if raw == b"accepted":
        return ACCEPTED
    word, _, detail = raw.decode(errors="replace").partition(" ")
    reader = _READERS.get(word)
    if reader is None:
        raise ValueError(f"a script says {raw!r} of a job")
    return reader(detail)
