"""Jobs whose worker died, that were canceled, that nobody comes for: the scripts on a real Redis."""

import contextlib
import re
from dataclasses import replace
from typing import Any

import pytest

from athena.errors import JobStateError, NotFoundError, QueueFullError, ResultExpiredError, UnservedError
from athena.jobs.record import Outcome
from athena.operations.jobs import (
    cancel_jobs,
    drop_dead,
    list_dead,
    requeue_dead,
    retry_job,
    show_job,
)
from athena.operations.queues import (
    list_hosts,
    list_queues,
    list_workers,
    order_workers,
    pause_queues,
    purge_queues,
)
from athena.operations.steps import Steps, run_steps
from athena.protocol.enums import JobState
from athena.protocol.interface import Interface, Limits
from athena.settings import from_env
from athena.store.fencing import (
    Death,
    Rerouting,
    beat_command,
    beats,
    fence_command,
    fenced_jobs,
    sweep_command,
)
from athena.store.keys import (
    ABILITIES,
    BEATS,
    DEAD,
    HOSTS,
    ORDERS,
    WORKERS,
    canceled_key,
    inflight_key,
    load_key,
    message_key,
    open_key,
    payload_key,
)
from athena.store.lease import (
    Draw,
    TakenJob,
    progress_command,
    take_command,
    taken_jobs,
)

from .conftest import ANY_QUEUE, CPU_QUEUE, FOREIGN, Ear, Store, failed

pytestmark = pytest.mark.redis

SETTINGS = from_env({})


def interface(**limits: Any) -> Interface:
    """Returns the ability echo, as its worker registers it."""
    return Interface("echo", "v1", "", (), (), (), ("cpu",), True, Limits(**limits))


def take_one(store: Store, job_id: str, **changes: object) -> TakenJob:
    """Submits a job and takes it."""
    assert store.submit(job_id, **changes) == [b"accepted"]
    (job,) = store.take(1)
    assert job.job_id == job_id
    return job


def finish_from(store: Store, queue: str) -> None:
    """Has the only job of a queue taken, and fail."""
    (job,) = taken_jobs(store.run(take_command("w1", [Draw(queue)], 1, FOREIGN, 1))) or []
    assert store.finish(job.job_id, job.token, failed()) == 1


def operate(store: Store, steps: Steps[Any]) -> Any:
    """Runs an operation."""
    return run_steps(steps, store.run)


def sweep(store: Store, thorough: bool = False) -> int:
    """Does the janitor's work; returns how many jobs expired."""
    expired: int = store.run(sweep_command("echo", [CPU_QUEUE, ANY_QUEUE], 60, 60, thorough))
    return expired


def bytes_of(store: Store) -> int:
    """Returns how many bytes the books count for open jobs."""
    return int(store.raw("HGET", load_key("echo"), "bytes") or 0)


def poison(store: Store, job_id: str, **changes: object) -> None:
    """Lets three workers die under a job."""
    store.submit(job_id, **changes)
    for _ in range(3):
        store.register()
        store.take(1)
        store.fence(job_id)


# death of a worker


def test_jobs_of_a_dead_worker_go_back_in_their_order(store: Store) -> None:
    for name in ("a", "b", "c", "d"):
        store.submit(name)
    store.take(3)

    assert store.fence("b") == (3, 0)

    assert store.queued() == ["a", "b", "c", "d"]


def test_only_the_job_that_ran_has_an_attempt_and_a_death(store: Store) -> None:
    store.submit("ran")
    store.submit("waited")
    store.take(2)

    store.fence("ran")

    ran, waited = store.record("ran"), store.record("waited")
    assert (ran.attempts, ran.deaths, ran.last_failure) == (1, 1, "it died")
    assert (waited.attempts, waited.deaths, waited.last_failure) == (0, 0, "")
    store.register()
    assert [job.runs_alone for job in store.take(2)] == [True, False]


def test_job_that_was_told_to_run_but_had_ended_is_not_to_blame(store: Store) -> None:
    job = take_one(store, "j1")
    store.start(job)

    store.fence()

    record = store.record("j1")
    assert (record.state, record.attempts, record.deaths) == (JobState.QUEUED, 1, 0)


def test_next_attempt_has_another_token(store: Store) -> None:
    first = take_one(store, "j1")
    store.fence("j1")
    store.register("w2")

    (second,) = store.take(1, "w2")

    assert (first.attempt, second.attempt) == (1, 2)
    assert store.finish("j1", first.token) == 0
    assert store.finish("j1", second.token, incarnation="w2") == 1
    assert store.record("j1").attempts == 2


def test_start_of_a_job_that_runs_alone_is_told_when_it_is_taken(store: Store) -> None:
    take_one(store, "j1")
    store.fence("j1")
    store.register()

    store.take(1)

    record = store.record("j1")
    assert (record.state, record.attempts) == (JobState.RUNNING, 2)


def test_job_that_runs_alone_and_was_only_held_was_not_attempted(store: Store) -> None:
    jobs = ("ran", "told", "held")
    for name in jobs:
        store.submit(name)
    store.take(3)
    store.fence(*jobs)
    store.register()
    _, told, _ = store.take(3)
    store.start(told)

    store.fence("ran")

    records = [store.record(name) for name in jobs]
    assert [(record.attempts, record.deaths) for record in records] == [(2, 2), (2, 1), (1, 1)]
    store.register()
    assert [job.attempt for job in store.take(3)] == [3, 3, 2]


def test_job_that_runs_alone_and_ended_before_its_start_was_not_attempted(store: Store) -> None:
    take_one(store, "j1")
    store.fence("j1")
    store.register()
    (job,) = store.take(1)
    unstarted = Outcome(JobState.EXPIRED, code=10114, message="too late", batch_size=0)

    assert store.finish("j1", job.token, unstarted) == 1

    record = store.record("j1")
    assert (record.state, record.attempts, record.deaths) == (JobState.EXPIRED, 1, 1)


def test_third_death_poisons(store: Store, ear: Ear) -> None:
    poison(store, "j1", gateway="g1")

    record = store.record("j1")
    assert (record.state, record.code, record.deaths, record.attempts) == (JobState.POISONED, 10109, 3, 3)
    assert record.message == "its worker died 3 times under it; the last time: it died"
    assert store.queued() == []
    _, (reply,) = ear.next()
    assert (reply.job_id, reply.state) == ("j1", JobState.POISONED)


def test_unknown_culprit_is_who_was_told_to_run(store: Store) -> None:
    for name in ("a", "b"):
        store.submit(name)
    running, _ = store.take(2)
    store.start(running)

    store.fence(blamed=None)

    assert (store.record("a").deaths, store.record("b").deaths) == (1, 0)
    store.register()
    assert [job.runs_alone for job in store.take(2)] == [True, True]


def test_job_that_overran_alone_is_timed_out(store: Store) -> None:
    store.submit("slow")
    store.submit("waited")
    store.take(2)

    assert store.fence("slow", overran=True, overrun_message="too slow") == (1, 1)

    record = store.record("slow")
    assert (record.state, record.code, record.message) == (JobState.TIMED_OUT, 10102, "too slow")
    assert store.queued() == ["waited"]


def test_batch_that_overran_is_tried_again_one_by_one(store: Store) -> None:
    for name in ("a", "b"):
        store.submit(name)
    store.take(2)

    assert store.fence("a", "b", overran=True) == (2, 0)

    store.register()
    assert [(job.job_id, job.runs_alone) for job in store.take(2)] == [("a", True), ("b", True)]
    assert store.record("a").deaths == 0


def test_second_fence_does_nothing(store: Store) -> None:
    take_one(store, "j1")
    store.fence("j1")

    assert store.fence("j1") == (0, 0)

    assert store.record("j1").deaths == 1
    assert store.queued() == ["j1"]


def test_fence_leaves_alone_what_is_final_or_of_another_worker(store: Store) -> None:
    for number in range(3):
        store.submit(f"j{number}", abandonable=True, gateway="g1")
    store.take(3)
    store.leave("j0", "g1")
    store.raw("HSET", "athena:job:j1", "token", "2.2:w2")

    assert store.fence() == (1, 0)

    assert store.state("j0") is JobState.CANCELED
    assert store.queued() == ["j2"]


def test_fenced_worker_takes_and_finishes_nothing(store: Store) -> None:
    job = take_one(store, "j1")
    store.fence()

    assert store.finish("j1", job.token) == 0
    assert store.try_take() is None
    assert store.queued() == ["j1"]


def test_job_that_was_tried_has_its_whole_time_to_queue_again(store: Store) -> None:
    take_one(store, "j1", max_queue_s=600)
    store.raw("HSET", "athena:job:j1", "expires_ms", 1)

    store.fence("j1")

    assert store.state("j1") is JobState.QUEUED
    assert int(store.field("j1", "expires_ms") or 0) > 1
    assert sweep(store) == 0


# dead letters


def test_dead_letter_is_listed_with_its_reason(store: Store) -> None:
    poison(store, "j1")

    (record,) = operate(store, list_dead(10))

    assert (record.job_id, record.last_failure) == ("j1", "it died")
    assert operate(store, show_job("j1")).state is JobState.POISONED
    assert 0 < store.pttl(message_key("j1")) <= 60_000
    assert store.pttl("athena:job:j1") > 60_000


@pytest.mark.parametrize("claim", [False, True])
def test_dead_letter_is_tried_again_as_a_new_job(store: Store, claim: bool) -> None:
    if claim:
        store.put_payload("j1", b"data")
    poison(store, "j1", claim=claim, app_id="app")

    new_id = operate(store, requeue_dead("j1", SETTINGS))

    assert operate(store, list_dead(10)) == []
    assert store.state("j1") is JobState.POISONED
    record = store.record(new_id)
    assert (record.state, record.retry_of, record.app_id, record.deaths) == (JobState.QUEUED, "j1", "app", 0)
    store.register()
    (job,) = store.take(1)
    assert job.job_id == new_id
    assert b"j1" not in job.message
    assert (store.raw("GET", payload_key(new_id)) == b"data") == claim
    if claim:
        assert store.pttl(payload_key(new_id)) == -1


def test_dead_letter_is_dropped_with_its_inputs(store: Store) -> None:
    store.put_payload("j1", b"data")
    poison(store, "j1", claim=True)

    operate(store, drop_dead("j1"))

    assert operate(store, list_dead(10)) == []
    assert not store.exists(payload_key("j1")) and not store.exists(message_key("j1"))


@pytest.mark.parametrize("verb", [drop_dead, lambda job_id: requeue_dead(job_id, SETTINGS)])
def test_what_is_no_dead_letter_is_not_found(store: Store, verb: Any) -> None:
    store.submit("j1")

    with pytest.raises(NotFoundError, match="no dead letter 'j1'"):
        operate(store, verb("j1"))


def test_old_dead_letters_leave_the_list(store: Store) -> None:
    poison(store, "j1")
    store.raw("ZADD", DEAD, 1, "j1")

    sweep(store, thorough=True)

    assert operate(store, list_dead(10)) == []


# cancel


def test_queued_job_is_canceled_at_once(store: Store, ear: Ear) -> None:
    store.submit("j1", gateway="g1")

    before = operate(store, cancel_jobs(["j1", "nobody"]))

    assert before == {"j1": JobState.QUEUED, "nobody": None}
    assert store.state("j1") is JobState.CANCELED
    _, (reply,) = ear.next()
    assert (reply.state, reply.code) == (JobState.CANCELED, 10101)
    assert store.take() == []


def test_held_job_is_canceled_and_its_worker_hears_of_it(store: Store) -> None:
    job = take_one(store, "j1")
    store.start(job)

    operate(store, cancel_jobs(["j1"]))

    assert store.state("j1") is JobState.CANCELED
    assert store.raw("SMEMBERS", canceled_key("w1")) == [b"j1"]
    (beat,) = beats(store.run(beat_command(["w1"])))
    assert beat.canceled == {"j1"}
    assert store.finish("j1", job.token) == 0


def test_final_job_is_not_canceled(store: Store) -> None:
    job = take_one(store, "j1")
    store.finish("j1", job.token)

    assert operate(store, cancel_jobs(["j1"])) == {"j1": JobState.SUCCEEDED}
    assert store.state("j1") is JobState.SUCCEEDED


def test_canceled_job_leaves_its_inputs_behind(store: Store) -> None:
    store.put_payload("j1", b"data")
    store.submit("j1", claim=True)

    operate(store, cancel_jobs(["j1"]))

    assert not store.exists(payload_key("j1"))
    with pytest.raises(JobStateError, match="was canceled"):
        operate(store, retry_job("j1", SETTINGS))


# try again


@pytest.mark.parametrize("claim", [False, True])
def test_failed_job_is_tried_again_as_a_new_job(store: Store, claim: bool) -> None:
    if claim:
        store.put_payload("j1", b"data")
    job = take_one(store, "j1", claim=claim)
    store.finish("j1", job.token, failed())

    new_id = operate(store, retry_job("j1", SETTINGS))

    assert store.state("j1") is JobState.FAILED
    assert store.record(new_id).retry_of == "j1"
    (again,) = store.take(1)
    assert again.job_id == new_id
    assert store.finish(new_id, again.token) == 1


@pytest.mark.parametrize(
    ("state", "text"), [("queued", "only a job that has ended"), ("succeeded", "has succeeded")]
)
def test_job_that_did_not_fail_is_not_tried_again(store: Store, state: str, text: str) -> None:
    job = take_one(store, "j1")
    if state == "succeeded":
        store.finish("j1", job.token)

    with pytest.raises(JobStateError, match=text):
        operate(store, retry_job("j1", SETTINGS))


def test_job_without_its_inputs_is_not_tried_again(store: Store) -> None:
    store.put_payload("j1", b"data")
    job = take_one(store, "j1", claim=True)
    store.finish("j1", job.token, failed())
    store.raw("UNLINK", payload_key("j1"))

    with pytest.raises(ResultExpiredError, match="not kept any more"):
        operate(store, retry_job("j1", SETTINGS))


def test_full_queue_refuses_what_is_tried_again(store: Store) -> None:
    job = take_one(store, "j1")
    store.finish("j1", job.token, failed())
    store.raw("HSET", ABILITIES, "echo", interface(max_queue_jobs=1).encode())
    store.submit("j2")

    with pytest.raises(QueueFullError):
        operate(store, retry_job("j1", SETTINGS))


def test_expired_job_can_be_tried_again_once_its_message_is_out_of_the_queue(store: Store) -> None:
    store.submit("first")
    store.submit("j1", max_queue_s=0)
    store.read("j1")
    assert store.state("j1") is JobState.EXPIRED
    with pytest.raises(JobStateError, match="still lies in its queue"):
        operate(store, retry_job("j1", SETTINGS))

    store.take(2)

    assert store.record(operate(store, retry_job("j1", SETTINGS))).retry_of == "j1"


def test_kept_inputs_are_bounded(store: Store) -> None:
    big = 40 * 1024 * 1024
    for name in ("a", "b", "c"):
        job = take_one(store, name, bytes=big)
        store.finish(name, job.token, failed())

    kept = [name for name in ("a", "b", "c") if store.exists(message_key(name))]

    assert kept == ["c"]
    assert store.raw("HGET", load_key("echo"), "kept_bytes") == str(big).encode()


def test_kept_inputs_that_have_expired_are_forgotten(store: Store) -> None:
    for name in ("a", "b"):
        job = take_one(store, name, bytes=10)
        store.finish(name, job.token, failed())
    store.raw("DEL", message_key("a"))

    sweep(store, thorough=True)

    assert store.raw("LRANGE", "athena:kept:echo", 0, -1) == [b"10 b"]
    assert store.raw("HGET", load_key("echo"), "kept_bytes") == b"10"


# the janitor


def test_jobs_of_a_worker_that_nobody_knows_go_back(store: Store) -> None:
    """Redis went back to a state in which a worker held jobs that has signed off since."""
    for name in ("a", "b", "c"):
        store.submit(name)
    store.take(2)
    store.raw("HDEL", WORKERS, "w1")

    sweep(store, thorough=True)
    sweep(store, thorough=True)
    # Whoever saw its process end may still pass them on, and knows better which of them ran.
    assert store.queued() == ["c"]

    store.raw("HINCRBY", BEATS, "w1", 61_000)
    sweep(store, thorough=True)

    assert store.queued() == ["a", "b", "c"]
    assert not store.exists(inflight_key("w1"))
    assert store.raw("HGET", BEATS, "w1") is None


def test_jobs_of_a_worker_that_is_known_stay(store: Store) -> None:
    store.submit("a")
    store.take(1)

    for _ in range(2):
        sweep(store, thorough=True)
        store.raw("HINCRBY", BEATS, "w1", 61_000)

    assert store.queued() == []


def test_overdue_jobs_expire_while_nobody_is_alive(store: Store, ear: Ear) -> None:
    store.submit("j1", max_queue_s=0, gateway="g1")
    store.submit("j2")

    assert sweep(store) == 1

    assert (store.state("j1"), store.state("j2")) == (JobState.EXPIRED, JobState.QUEUED)
    _, (reply,) = ear.next()
    assert (reply.job_id, reply.code) == ("j1", 10114)
    assert store.queued() == ["j2"]


def test_job_whose_message_was_deleted_expires_too(store: Store) -> None:
    store.submit("j1", max_queue_s=0)
    store.raw("DEL", ANY_QUEUE)

    assert sweep(store) == 1

    assert store.state("j1") is JobState.EXPIRED


def test_overdue_job_that_a_worker_holds_is_its_workers_affair(store: Store) -> None:
    job = take_one(store, "j1", max_queue_s=600)
    store.raw("ZADD", open_key("echo"), 1, "j1")
    store.raw("HSET", "athena:job:j1", "expires_ms", 1)

    assert sweep(store) == 0
    assert sweep(store) == 0

    assert store.state("j1") is JobState.QUEUED
    assert store.finish("j1", job.token) == 1


def test_worker_is_told_how_long_a_job_may_wait(store: Store) -> None:
    job = take_one(store, "j1", max_queue_s=600)

    assert 500 < job.start_within_s <= 600


def test_ability_without_jobs_costs_one_look(store: Store) -> None:
    job = take_one(store, "j1")
    store.finish("j1", job.token)
    sweep(store)
    store.raw("CONFIG", "RESETSTAT")

    sweep(store)

    done = set(re.findall(rb"cmdstat_(\w+)", store.raw("INFO", "commandstats")))
    assert done <= {b"evalsha", b"smembers", b"exists", b"hexists", b"config", b"info"}


@pytest.mark.parametrize("queue", [CPU_QUEUE, "echo.GPU-1"])
def test_message_of_a_final_job_alone_is_seen(store: Store, queue: str) -> None:
    store.submit("a", queue=queue)
    operate(store, cancel_jobs(["a"]))
    store.raw("HDEL", load_key("echo"), "bytes")

    sweep(store)

    assert store.queued(queue) == []


def test_messages_of_final_jobs_do_not_count_as_a_backlog(store: Store) -> None:
    for name in ("a", "b", "c"):
        store.submit(name)
    operate(store, cancel_jobs(["a", "b"]))

    sweep(store)

    assert store.queued() == ["c"]


# books


def test_bytes_are_counted_until_a_job_is_final(store: Store) -> None:
    store.submit("a", bytes=700)
    store.submit("b", bytes=50)
    job, _ = store.take(2)
    held = bytes_of(store)

    store.finish("a", job.token)

    assert (held, bytes_of(store)) == (750, 50)
    assert store.raw("ZRANGE", open_key("echo"), 0, -1) == [b"b"]


def test_too_many_bytes_are_refused(store: Store) -> None:
    store.submit("a", bytes=700)

    assert store.submit("b", bytes=400, max_open_bytes=1000) == [b"heavy", b"700"]

    assert store.queued() == ["a"]
    assert store.submit("c", bytes=300, max_open_bytes=1000) == [b"accepted"]


def test_single_job_is_never_too_heavy(store: Store) -> None:
    assert store.submit("a", bytes=2000, max_open_bytes=1000) == [b"accepted"]


def test_refused_payload_is_not_left_behind(store: Store) -> None:
    store.submit("a", bytes=700)
    store.put_payload("b", b"data")

    store.submit("b", bytes=400, max_open_bytes=1000, claim=True)

    assert not store.exists(payload_key("b"))


@pytest.mark.parametrize(("open_jobs", "thorough"), [(0, False), (2, True)])
def test_wrong_books_are_put_right(store: Store, open_jobs: int, thorough: bool) -> None:
    for number in range(open_jobs):
        store.submit(f"j{number}", bytes=10)
    store.raw("HSET", load_key("echo"), "bytes", 10**12)

    sweep(store, thorough)

    assert bytes_of(store) == 10 * open_jobs


@pytest.mark.spoils_keys
def test_job_whose_record_was_dropped_is_open_no_longer(store: Store) -> None:
    store.submit("answered", bytes=10)
    store.submit("open", bytes=20)
    (job, _) = store.take(2)
    # Its end was lost with Redis' last second, and its caller had the answer.
    store.raw("UNLINK", "athena:job:answered")
    store.finish("answered", job.token)

    sweep(store, thorough=True)

    assert store.raw("ZRANGE", open_key("echo"), 0, -1) == [b"open"]
    assert bytes_of(store) == 20


# queues, workers


@pytest.fixture
def registered(store: Store) -> Interface:
    """The ability echo, as its worker registers it."""
    known = interface()
    store.raw("HSET", ABILITIES, "echo", known.encode())
    return known


def test_paused_queue_gives_out_nothing(store: Store, registered: Interface) -> None:
    store.submit("j1")

    paused = operate(store, pause_queues(["echo"], True))
    during = store.take()
    record = store.record("j1")
    operate(store, pause_queues([ANY_QUEUE], False))

    assert ANY_QUEUE in paused
    assert (during, record.is_paused) == ([], True)
    assert store.raw("LLEN", f"athena:bell:{ANY_QUEUE}") == 1
    assert [job.job_id for job in store.take()] == ["j1"]


def test_paused_ability_holds_back_queues_that_it_had_not_got_yet(
    store: Store, registered: Interface
) -> None:
    gpu_queue = "echo.GPU-1"
    operate(store, pause_queues(["echo"], True))
    for job_id in ("j1", "j2"):
        store.submit(job_id, queue=gpu_queue)

    during = store.run(take_command("w1", [Draw(gpu_queue)], 1, FOREIGN, 1))
    was_paused = store.record("j1").is_paused
    moves = Rerouting(frozenset({"any"}), "any")
    store.run(sweep_command("echo", [ANY_QUEUE], 60, 60, False, moves))
    operate(store, pause_queues(["echo"], False))

    assert (during, was_paused) == ([], True)
    assert store.queued(gpu_queue) == ["j1", "j2"]
    assert store.raw("LLEN", f"athena:bell:{gpu_queue}") == 1
    taken = taken_jobs(store.run(take_command("w1", [Draw(gpu_queue)], 1, FOREIGN, 1)))
    assert taken is not None and [job.job_id for job in taken] == ["j1"]
    store.submit("j3", queue="echo.GPU-2")
    assert not store.record("j3").is_paused


def test_paused_ability_holds_back_what_is_put_back(store: Store, registered: Interface) -> None:
    take_one(store, "j1")
    store.raw("DEL", "athena:queues:echo")
    operate(store, pause_queues(["echo"], True))
    store.raw("HDEL", f"athena:line:{ANY_QUEUE}", "paused")

    store.fence()

    assert store.record("j1").is_paused


def test_purged_jobs_are_canceled(store: Store, registered: Interface) -> None:
    held = take_one(store, "held")
    for number in range(3):
        store.submit(f"j{number}")

    assert operate(store, purge_queues([ANY_QUEUE])) == 3

    assert store.queued() == []
    assert {store.state(f"j{number}") for number in range(3)} == {JobState.CANCELED}
    assert store.finish("held", held.token) == 1


def test_queues_are_listed_with_what_is_in_them(store: Store, registered: Interface) -> None:
    store.submit("j1", bytes=30)
    take_one(store, "j2", bytes=4, queue=CPU_QUEUE)

    (load,) = operate(store, list_queues())

    assert (load.service_id, load.open_jobs, load.open_bytes) == ("echo", 2, 34)
    assert {queue.name: queue.jobs for queue in load.queues}[ANY_QUEUE] == 1


def test_all_lanes_of_known_targets_are_listed_on_request(store: Store, registered: Interface) -> None:
    store.submit("j1", queue="echo.V100G32.high")

    (some,) = operate(store, list_queues())
    (load,) = operate(store, list_queues(all_lanes=True))

    targets = ("cpu", "any", "V100G32")
    assert [queue.name for queue in load.queues] == [
        f"echo.{target}{lane}" for target in targets for lane in ("", ".high", ".low")
    ]
    assert {queue.name: queue.jobs for queue in load.queues if queue.jobs} == {"echo.V100G32.high": 1}
    assert "echo.any.high" not in {queue.name for queue in some.queues}


def test_queues_are_listed_in_a_few_round_trips(store: Store, registered: Interface) -> None:
    trips, steps, reply = 0, list_queues(all_lanes=True), None
    with contextlib.suppress(StopIteration):
        while True:
            step = steps.send(reply)
            reply = list(map(store.run, step)) if isinstance(step, list) else store.run(step)  # type: ignore[arg-type]
            trips += 1

    assert trips <= 6


@pytest.mark.parametrize("key", [ABILITIES, WORKERS, BEATS, ORDERS, HOSTS])
@pytest.mark.parametrize("nonsense", [b"{}", b"no JSON", b"\xff"])
def test_entry_that_cannot_be_read_hides_no_other_from_operators(
    store: Store, registered: Interface, key: str, nonsense: bytes
) -> None:
    store.raw("HSET", key, "x", nonsense)

    workers, _ = operate(store, list_workers())

    assert [worker.entry.incarnation for worker in workers] == ["w1"]
    assert [load.service_id for load in operate(store, list_queues())] == ["echo"]
    assert operate(store, list_hosts()) == []


# tried again where no other type is allowed


@pytest.mark.parametrize(
    ("queue", "refusal"),
    [
        ("echo.cpu", ""),
        ("echo.any.high", ""),
        ("echo.T4G16", "has no worker of type T4G16 and allows no other; alive: cpu"),
        ("echo.GPU-1", "has no worker on GPU GPU-1 of type T4G16 and allows no other"),
    ],
)
def test_retry_is_refused_where_a_new_request_would_be(store: Store, queue: str, refusal: str) -> None:
    store.raw("HSET", ABILITIES, "echo", replace(interface(), fallback=False).encode())
    store.submit("j1", queue=queue, home="T4G16" if "GPU" in queue else "")
    finish_from(store, queue)

    with pytest.raises(UnservedError, match=refusal) if refusal else contextlib.nullcontext():
        new_id = operate(store, retry_job("j1", SETTINGS))
        assert store.queued(queue) == [new_id]


def test_retried_job_remembers_its_home(store: Store, registered: Interface) -> None:
    store.submit("j1", queue="echo.GPU-1", home="T4G16")
    finish_from(store, "echo.GPU-1")

    new_id = operate(store, retry_job("j1", SETTINGS))

    assert store.field(new_id, "home") == b"T4G16"


def test_unknown_names_are_refused_with_those_that_are_known(store: Store, registered: Interface) -> None:
    with pytest.raises(NotFoundError, match=r"no queue or ability 'nope'; there are: echo"):
        operate(store, pause_queues(["nope"], True))
    with pytest.raises(NotFoundError, match=r"no worker 'nope'; there are: echo\.cpu\.0@host"):
        operate(store, order_workers(["nope"], "drain"))


# progress


def test_progress_is_noted_by_the_holder_only(store: Store) -> None:
    job = take_one(store, "j1")

    store.run(progress_command([("j1", "9:w9", "0.9")]))
    before = store.record("j1").progress
    store.run(progress_command([("j1", job.token, "0.25")]))

    assert (before, store.record("j1").progress) == (None, 0.25)


@pytest.mark.spoils_keys
@pytest.mark.parametrize("spoiled", ["record", "queue"])
@pytest.mark.parametrize("way", ["fence", "give back", "reconcile"])
def test_job_whose_keys_are_of_a_wrong_kind_takes_no_other_along(
    store: Store, spoiled: str, way: str
) -> None:
    for job_id, queue in (("bad", CPU_QUEUE), ("good", ANY_QUEUE), ("better", ANY_QUEUE)):
        store.submit(job_id, queue=queue)
    store.register()
    held = store.take()
    assert {job.job_id for job in held} == {"bad", "good", "better"}
    key = "athena:job:bad" if spoiled == "record" else CPU_QUEUE
    store.raw("DEL", key)
    store.raw("SET", key, "what nobody expects here")

    if way == "fence":
        reply = fenced_jobs(store.run(fence_command("w1", Death("it died", (), 3, 60))))
        assert (len(reply.returned), reply.ended, reply.stuck) == (2, (), ("bad",))
    elif way == "give back":
        assert store.give_back(*held) == 2
    else:
        returned, _ = store.reconcile()
        assert sorted(returned) == ["better", "good"]

    assert sorted(store.queued()) == ["better", "good"]
    assert store.raw("HKEYS", "athena:inflight:w1") == [b"bad"]


def test_count_of_beats_that_cannot_be_read_stops_no_other_heart(store: Store) -> None:
    for name in ("w1", "w2", "w3"):
        store.register(name)
    store.raw("HSET", BEATS, "w2", "many")

    answers = beats(store.run(beat_command(["w1", "w2", "w3"])))

    assert [answer.is_fenced for answer in answers] == [False, False, False]
    assert store.raw("HMGET", BEATS, "w1", "w2", "w3") == [b"1", b"1", b"1"]
