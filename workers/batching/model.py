"""What the inference threads run, and how they put jobs together."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from workers.batching.jobs import BatchJob


@dataclass(frozen=True)
class BatchOptions:
    """How jobs are put together (see `athena.ability.manifest.WorkerOptions`)."""

    max_batch: int = 1
    max_wait_ms: float = 0
    threads: int = 1
    max_exec_s: float = 60
    max_failures: int = 3


@dataclass(frozen=True)
class Model:
    """What the threads run.

    Attributes:
        load: runs first, on the first thread, so that a model is loaded where it will run.
        batch_key: jobs of the same key may share a call; None for one that may not.
        run: runs jobs in one inference call and returns one outcome for each. What it raises fails them all.
        unload: runs last, on the first thread.
        surroundings: what each thread has around its whole life.
        restore: runs after calls, while no other runs.
        has_example: whether `check` can tell a sound process from a broken one; asked once it is loaded.
        check: runs the example, and returns why this process is broken; "" if it is not. It is given what a
            call said that is known to stay.
        symptom: returns what a call has said that is known to stay, and forgets it.
        prepare: fetches and decodes the inputs of a job before its call, and returns their bytes; it raises
            nothing.
    """

    load: Callable[[], None]
    batch_key: Callable[[JobMessage], object]
    run: Callable[[list[BatchJob]], list[Outcome]]
    unload: Callable[[], None]
    surroundings: Callable[[], AbstractContextManager[object]] = nullcontext
    restore: Callable[[], object] = lambda: None
    has_example: Callable[[], bool] = lambda: False
    check: Callable[[str], str] = lambda symptom: symptom
    symptom: Callable[[], str] = lambda: ""
    prepare: Callable[[BatchJob], int] = lambda job: 0
