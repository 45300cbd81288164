"""What is done in Redis about workers that live or have died, and about jobs that nobody takes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from athena.errors import ExecTimeoutError
from athena.store.scripts import BEAT, FENCE, SWEEP, Arg, Command


@dataclass(frozen=True)
class Rerouting:
    """Where jobs go whose target has lost its last worker.

    Attributes:
        live: the targets that have a worker: types and UUIDs.
        target: for jobs of all other targets; "" if they stay where they are. A job that was pinned goes to
            its home, if that is live.
    """

    live: frozenset[str]
    target: str = ""


#: Nothing moves, and nothing is forgotten.
STAY = Rerouting(frozenset())


@dataclass(frozen=True)
class Death:
    """The end of a worker process, and what it means for the jobs that the process held.

    Attributes:
        reason: for the records, in words.
        blamed: the jobs in the calls that were going on; None if nobody knows, because the host died too.
        overran: whether the process was killed because these calls ran past their limit.
        is_broken: whether the process answered the example before these jobs, and not after.
        overrun_message: for a caller whose job ran past its limit.
        max_attempts: a job under which so many processes died is poisoned.
        dead_ttl_s: how long a dead letter is kept.
        worker: the worker's name, for logs and timelines.
        service_id: its ability, for the metrics.
        gpu_type: its type, likewise.
        cause: of `athena_worker_exits_total`; "" for an end that is not counted.
    """

    reason: str
    blamed: tuple[str, ...] | None
    max_attempts: int
    dead_ttl_s: float
    overran: bool = False
    overrun_message: str = ""
    is_broken: bool = False
    worker: str = ""
    service_id: str = ""
    gpu_type: str = ""
    cause: str = ""


def fence_command(incarnation: str, death: Death, silent_since_beat: int | None = None) -> Command:
    """Shuts a dead worker out and passes its jobs on.

    Who concludes from silence that it is dead names the beat after which it fell silent: nothing happens if
    there was another one meanwhile.

    Those that did not run go back to their queues. Those that ran go back too, to run alone, or are poisoned
    when too many workers died under them. A job that overran its limit alone is timed out.
    """
    return FENCE.call(
        (),
        (
            incarnation,
            death.reason,
            "overrun" if death.overran else "broken" if death.is_broken else "death",
            death.max_attempts,
            int(death.dead_ttl_s * 1000),
            ExecTimeoutError.code,
            death.overrun_message,
            # No names may mean that no job is to blame, or that nobody knows.
            "0" if death.blamed is None else "1",
            "" if silent_since_beat is None else silent_since_beat,
            death.service_id,
            death.gpu_type,
            death.cause,
            death.worker,
            *(death.blamed or ()),
        ),
    )


class Fenced(NamedTuple):
    """What became of the jobs of a dead worker.

    Attributes:
        returned: ids of those that went back to their queues.
        ended: ids of those that ended.
        stuck: ids of those whose keys are not what they should be; they stay among its jobs in flight.
    """

    returned: tuple[str, ...]
    ended: tuple[str, ...]
    stuck: tuple[str, ...]


def fenced_jobs(reply: Any) -> Fenced:
    """Reads the answer of `fence_command`."""
    return Fenced(*(tuple(job_id.decode() for job_id in ids) for ids in reply))


def beat_command(incarnations: Iterable[str]) -> Command:
    """Counts one heartbeat of each worker."""
    return BEAT.call((), incarnations)


@dataclass(frozen=True)
class Beat:
    """What Redis answers to a worker's heartbeat.

    Attributes:
        canceled: the jobs it held when they were canceled.
    """

    is_fenced: bool
    canceled: frozenset[str]


def beats(reply: Any) -> list[Beat]:
    """Reads the answer of `beat_command`, in its order."""
    return [
        Beat(is_known == b"0", frozenset(job_id.decode() for job_id in canceled))
        for is_known, canceled in reply
    ]


def sweep_command(
    service_id: str,
    queues: Iterable[str],
    record_ttl_s: float,
    dead_ttl_s: float,
    thorough: bool,
    moves: Rerouting = STAY,
) -> Command:
    """Expires what is overdue in an ability, keeps its books true, and passes on what nobody takes."""
    ttls = (int(record_ttl_s * 1000), int(dead_ttl_s * 1000))
    fixed: tuple[Arg, ...] = (service_id, *ttls, "1" if thorough else "0", moves.target)
    return SWEEP.call(queues, (*fixed, *sorted(moves.live)))
