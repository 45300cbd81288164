"""The life of a job as rules in Python. The scripts carry them out; a test holds both to each other."""

from dataclasses import dataclass, replace

from athena.protocol.enums import JobState


@dataclass(frozen=True)
class Life:
    """What decides about a job's next step.

    Attributes:
        holder: incarnation of the worker that has it, "" while it is in a queue.
        attempts: how often a worker began to run it.
        deaths: how many workers died while they ran it.
        runs_alone: whether it must not share a batch or a process.
        is_announced: whether the worker that has it told that it runs.
    """

    state: JobState = JobState.QUEUED
    holder: str = ""
    attempts: int = 0
    deaths: int = 0
    runs_alone: bool = False
    is_announced: bool = False


@dataclass(frozen=True)
class Taken:
    """A worker took it from its queue."""

    incarnation: str


@dataclass(frozen=True)
class Started:
    """The worker that has it told that it runs."""

    incarnation: str


@dataclass(frozen=True)
class Finished:
    """The worker that has it told how it ended."""

    incarnation: str
    state: JobState


@dataclass(frozen=True)
class Retried:
    """The worker that has it told that its call failed, and its ability wants it tried again."""

    incarnation: str


@dataclass(frozen=True)
class Returned:
    """The worker that has it gave it back unstarted."""

    incarnation: str


@dataclass(frozen=True)
class Spoiled:
    """Its call failed in a process that was found broken, and that gives it back."""

    incarnation: str


@dataclass(frozen=True)
class WorkerDied:
    """The process of the worker that has it ended.

    Attributes:
        ran: whether the job was in a call at that moment; None if nobody knows.
        max_attempts: so many deaths are the end of a job.
    """

    incarnation: str
    ran: bool | None
    max_attempts: int


@dataclass(frozen=True)
class Overran:
    """The process of the worker that has it was killed because the job's call ran too long.

    Attributes:
        was_alone: whether no other job was in the call.
    """

    incarnation: str
    was_alone: bool


@dataclass(frozen=True)
class Canceled:
    """Somebody does not want it any more."""


@dataclass(frozen=True)
class Overdue:
    """Its time to start has passed."""


Event = Taken | Started | Finished | Retried | Returned | Spoiled | WorkerDied | Overran | Canceled | Overdue


def advance(life: Life, event: Event) -> Life:
    """Returns the job's life after an event; the same life if the event has no right to change it.

    A final state never changes, and a worker has a say only in jobs that it holds.
    """
    if life.state.is_final:
        return life
    if isinstance(event, Canceled):
        return replace(life, state=JobState.CANCELED)
    if isinstance(event, Overdue):
        is_waiting = life.state is JobState.QUEUED and not life.holder
        return replace(life, state=JobState.EXPIRED) if is_waiting else life
    if isinstance(event, Taken):
        return life if life.holder else _take(life, event.incarnation)
    return _told_by_holder(life, event) if life.holder == event.incarnation else life


def _told_by_holder(
    life: Life, event: Started | Finished | Retried | Returned | Spoiled | WorkerDied | Overran
) -> Life:
    match event:
        case Started():
            return replace(_started(life), is_announced=True)
        case Finished(_, state):
            # A short job tells its start with its end.
            return replace(_started(life), state=state)
        case Retried():
            return _queued(_started(life))
        case Returned():
            return _queued(_unstarted(life))
        case Spoiled():
            return replace(_queued(_unstarted(life)), runs_alone=True)
        case Overran(_, was_alone):
            return replace(_started(life), state=JobState.TIMED_OUT) if was_alone else _again(life)
        case WorkerDied():
            return _after_death(life, event)


def _take(life: Life, incarnation: str) -> Life:
    held = replace(life, holder=incarnation)
    # Counted as begun before it can do harm: if the whole host dies, Redis knows that it ran.
    return _started(held) if life.runs_alone else held


def _queued(life: Life) -> Life:
    return replace(life, state=JobState.QUEUED, holder="", is_announced=False)


def _started(life: Life) -> Life:
    if life.state is JobState.RUNNING:
        return life
    return replace(life, state=JobState.RUNNING, attempts=life.attempts + 1)


def _unstarted(life: Life) -> Life:
    # It may be counted: one that runs alone when it was taken, one that was spoiled when it began.
    return replace(life, attempts=life.attempts - (life.state is JobState.RUNNING))


def _again(life: Life, deaths: int = 0) -> Life:
    return replace(_queued(_started(life)), deaths=life.deaths + deaths, runs_alone=True)


def _after_death(life: Life, event: WorkerDied) -> Life:
    ran = life.state is JobState.RUNNING if event.ran is None else event.ran
    if not ran:
        # Redis hears of a start after 50 ms: if the host died too, it may have run all the same.
        suspected = life.runs_alone or event.ran is None
        # One that runs alone was only counted when it was taken, unless its call was told to have begun.
        begun = life if life.is_announced else _unstarted(life)
        return replace(_queued(begun), runs_alone=suspected)
    if life.deaths + 1 >= event.max_attempts:
        return replace(_started(life), state=JobState.POISONED, deaths=life.deaths + 1)
    return _again(life, deaths=1)
