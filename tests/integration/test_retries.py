"""Jobs that are tried again by several at once, twice by one, or while their inputs are on their way."""

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import pytest

from athena.errors import (
    AthenaError,
    JobStateError,
    NotFoundError,
    RequestError,
    RequestIdConflictError,
    ResultExpiredError,
)
from athena.operations.jobs import list_dead, requeue_dead, retry_job
from athena.operations.queues import purge_queues
from athena.operations.steps import Steps, run_steps
from athena.store.fencing import sweep_command
from athena.store.keys import ABILITIES, message_key, payload_key
from athena.store.scripts import Command

from .conftest import ANY_QUEUE, CPU_QUEUE, Store, failed
from .test_recovery import SETTINGS, interface, poison

pytestmark = pytest.mark.redis


def operate_together(store: Store, operations: Sequence[Steps[Any]]) -> list[Any]:
    """Runs operations side by side, a step of each in turn; returns what each came to, errors included."""
    results: list[Any] = [None] * len(operations)
    waiting: dict[int, Any] = dict.fromkeys(range(len(operations)))
    while waiting:
        for index in list(waiting):
            try:
                step = operations[index].send(waiting[index])
            except StopIteration as stop:
                results[index] = stop.value
                del waiting[index]
            except AthenaError as error:
                results[index] = error
                del waiting[index]
            else:
                commands = cast(Command | list[Command], step)
                waiting[index] = (
                    list(map(store.run, commands)) if isinstance(commands, list) else store.run(commands)
                )
    return results


def fail(store: Store, job_id: str) -> None:
    store.submit(job_id)
    (job,) = store.take(1)
    store.finish(job_id, job.token, failed())


@pytest.mark.parametrize("claim", [False, True])
def test_dead_letter_that_many_try_again_makes_one_job(store: Store, claim: bool) -> None:
    store.put_payload("j1", b"data")
    poison(store, "j1", claim=claim)

    results = operate_together(store, [requeue_dead("j1", SETTINGS) for _ in range(20)])

    made = [result for result in results if isinstance(result, str)]
    refused = [result for result in results if isinstance(result, NotFoundError)]
    assert (len(made), len(refused)) == (1, 19)
    assert not any(isinstance(result, ResultExpiredError) for result in refused)
    assert store.queued() == made
    assert run_steps(list_dead(10), store.run) == []
    assert len(store.raw("KEYS", payload_key("*"))) == 1 + claim


def test_dead_letter_stays_while_its_queue_is_full(store: Store) -> None:
    poison(store, "j1")
    store.raw("HSET", ABILITIES, "echo", interface(max_queue_jobs=1).encode())
    store.submit("j2")

    with pytest.raises(AthenaError, match="holds 1 jobs; it takes no more for now"):
        run_steps(requeue_dead("j1", SETTINGS), store.run)

    assert [record.job_id for record in run_steps(list_dead(10), store.run)] == ["j1"]


@pytest.mark.parametrize("verb", [requeue_dead, retry_job])
def test_retry_that_names_a_request_id_makes_one_job(store: Store, verb: Any) -> None:
    poison(store, "j1")

    together = operate_together(store, [verb("j1", SETTINGS, "again-1") for _ in range(20)])
    later = run_steps(verb("j1", SETTINGS, "again-1"), store.run)

    assert set(together) == {later}
    assert store.queued() == [later]
    assert store.record(later).request_id == "again-1"
    other = run_steps(retry_job("j1", SETTINGS, "again-2"), store.run)
    assert store.queued() == [later, other]


def test_repeated_retry_finds_its_job_also_when_the_inputs_are_gone(store: Store) -> None:
    fail(store, "j1")
    new_id = run_steps(retry_job("j1", SETTINGS, "again"), store.run)
    store.raw("DEL", message_key("j1"))

    assert run_steps(retry_job("j1", SETTINGS, "again"), store.run) == new_id


def test_request_id_of_another_job_is_a_conflict(store: Store) -> None:
    fail(store, "j1")
    store.submit("j2", request_id="mine", body_hash="h")

    with pytest.raises(RequestIdConflictError, match="belongs to job j2"):
        run_steps(retry_job("j1", SETTINGS, "mine"), store.run)
    with pytest.raises(RequestError, match="must be 1 to 64 letters"):
        run_steps(retry_job("j1", SETTINGS, "no good"), store.run)

    assert store.queued() == ["j2"]


@pytest.mark.parametrize("steps_before", [1, 2])
def test_inputs_that_are_on_their_way_are_never_called_gone(store: Store, steps_before: int) -> None:
    """The message of a job that expired in its queue is kept when somebody comes to it there."""
    store.submit("j1", max_queue_s=0)
    store.read("j1")
    steps, reply = retry_job("j1", SETTINGS), None
    for _ in range(steps_before):
        reply = store.run(steps.send(reply))  # type: ignore[arg-type]

    assert store.take(1) == []
    with contextlib.suppress(JobStateError):
        while True:
            try:
                reply = store.run(steps.send(reply))  # type: ignore[arg-type]
            except StopIteration:
                break

    assert len(store.queued()) == (steps_before == 1)
    assert store.record(run_steps(retry_job("j1", SETTINGS), store.run)).retry_of == "j1"


@pytest.mark.parametrize("by", ["take", "sweep", "purge"])
def test_inputs_of_an_expired_job_are_kept_whoever_takes_its_message_out(store: Store, by: str) -> None:
    store.raw("HSET", ABILITIES, "echo", interface().encode())
    store.submit("j1", max_queue_s=0)
    store.read("j1")
    with pytest.raises(JobStateError, match="still lies in its queue"):
        run_steps(retry_job("j1", SETTINGS), store.run)

    if by == "take":
        store.take(1)
    elif by == "sweep":
        store.run(sweep_command("echo", [CPU_QUEUE, ANY_QUEUE], 60, 60, thorough=True))
    else:
        assert run_steps(purge_queues(["echo"]), store.run) == 0

    assert store.queued() == []
    assert store.record(run_steps(retry_job("j1", SETTINGS), store.run)).retry_of == "j1"


def test_expired_job_whose_inputs_are_gone_is_not_said_to_lie_in_its_queue(store: Store) -> None:
    store.submit("j1", max_queue_s=0)
    store.read("j1")
    store.take(1)
    store.raw("DEL", message_key("j1"))
    store.submit("j2")

    with pytest.raises(ResultExpiredError, match="not kept any more"):
        run_steps(retry_job("j1", SETTINGS), store.run)
