"""A worker's session on a real Redis; a model of the tests' own takes the place of the wrapper.

Celery is not there: each message is handed to the session as Celery's pool would do it. Whole processes are
tested in test_worker_process.py.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from celery.exceptions import WorkerShutdown
from redis.exceptions import RedisError

from athena.errors import ExpiredError, Problem, RequestError
from athena.fleet.progress_board import ProgressBoard
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.store.fencing import sweep_command
from athena.store.lease import TakenJob
from athena.store.link import BlockingLink
from athena.store.submission import cancel_command
from tests.conftest import wait_until
from workers.batching.batcher import Batcher
from workers.batching.jobs import BatchJob
from workers.batching.model import BatchOptions, Model
from workers.lease.arrivals import ForeignJobs
from workers.lease.recycling import Wear
from workers.lease.session import LoopHooks, WorkerSession

from .conftest import ANY_QUEUE, CPU_QUEUE, FOREIGN, Store

pytestmark = pytest.mark.redis

SLOTS = 4
ENTRY = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", SLOTS)


class Worker:
    """A session with its batcher; each turn comes a second after the last."""

    def __init__(self, redis_url: str, wear: Wear) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.results: dict[str, bytes] = {}
        self.ran: list[BatchJob] = []
        self.told: list[tuple[str, str]] = []
        self.has_ended = threading.Event()
        self.link = BlockingLink(redis_url, 5)
        self.board = ProgressBoard.create(1, 1)
        #: Why the process is broken; then each call fails, and so does the example.
        self.wrong = ""
        nothing = Model(
            lambda: None,
            lambda message: None,
            self._run,
            lambda: None,
            has_example=lambda: True,
            check=lambda symptom: self.wrong,
        )
        self.batcher = Batcher(nothing, BatchOptions(), self.board, self.has_ended.set)
        self.wakes: list[float] = []
        self.session = WorkerSession(
            ENTRY,
            self.link,
            self.batcher,
            ForeignJobs(self._read_foreign, FOREIGN),
            wear,
            1,
            LoopHooks(self.board.pulse, self.wakes.append),
        )
        self.now_s = time.monotonic()
        self.batcher.start()

    def _run(self, batch: list[BatchJob]) -> list[Outcome]:
        self.ran += batch
        assert self.gate.wait(60)
        if self.wrong:
            return [Outcome(JobState.FAILED, code=10909, message="it failed", exec_ms=1)]
        result = self.results.get(batch[0].job_id, b'{"text":1}')
        return [Outcome(JobState.SUCCEEDED, result, exec_ms=1)]

    def _read_foreign(self, job_id: str, envelope: object) -> JobMessage:
        raise RequestError("bad request", problems=(Problem("/header", "is missing"),))

    def turn(self, after_s: float = 1) -> None:
        """One turn of Celery's loop."""
        self.now_s += after_s
        self.session.turn(self.now_s, self.deliver)

    def deliver(self, job: TakenJob) -> None:
        """Hands a job on as Celery does."""
        body = json.loads(json.loads(job.message)["body"])
        self.session.accept(
            job.job_id,
            body[0][0],
            lambda: self.told.append((job.job_id, "started")),
            lambda outcome: self.told.append((job.job_id, str(outcome.state))),
        )

    def turn_until(self, holds: Callable[[], object]) -> None:
        def look() -> object:
            self.turn()
            return holds()

        wait_until(look, "turns of the loop")

    def close(self) -> None:
        self.gate.set()
        self.batcher.close()
        assert self.batcher.join(60)
        self.link.close()
        self.board.close()


@contextmanager
def started(redis_url: str, wear: Wear | None = None) -> Iterator[Worker]:
    """A worker that the store knows as w1; its thread ends with the block."""
    worker = Worker(redis_url, wear or Wear(max_jobs=0, max_memory_mb=0))
    try:
        yield worker
    finally:
        worker.close()


@pytest.fixture
def worker(store: Store, redis_server: str) -> Iterator[Worker]:
    """A worker that the store knows as w1."""
    with started(redis_server) as worker:
        yield worker


def ended(store: Store, *job_ids: str) -> bool:
    return all(store.state(job_id).is_final for job_id in job_ids)


def submit(store: Store, *job_ids: str) -> None:
    assert [store.submit(job_id) for job_id in job_ids] == [[b"accepted"]] * len(job_ids)


def cut(store: Store) -> None:
    """Closes all connections to Redis but the test's own."""
    store.raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@pytest.fixture
def refuse(store: Store) -> Iterator[Callable[[bool], None]]:
    """Returns a function that lets Redis refuse all scripts, or not."""

    def refuse(yes: bool) -> None:
        store.raw("ACL", "SETUSER", "default", "-evalsha" if yes else "+evalsha")

    yield refuse
    refuse(False)


# taking, running, finishing


def test_submitted_job_is_taken_run_and_finished(worker: Worker, store: Store) -> None:
    submit(store, "j1")

    worker.turn_until(lambda: ended(store, "j1"))

    record = store.record("j1")
    assert (record.state, record.result) == (JobState.SUCCEEDED, b'{"text":1}')
    assert (record.worker, record.gpu_type, record.attempts) == ("echo.cpu.0@host", "cpu", 1)
    assert not store.exists("athena:inflight:w1")
    assert worker.told == [("j1", "succeeded")]


def test_job_that_runs_on_is_told_to_run_once(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, "j1")

    worker.turn_until(lambda: store.state("j1") is JobState.RUNNING)
    during = list(worker.told)
    worker.gate.set()
    worker.turn_until(lambda: ended(store, "j1"))

    assert during == [("j1", "started")]
    assert worker.told == [("j1", "started"), ("j1", "succeeded")]


def test_no_more_is_taken_than_there_are_slots(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, *"abcdef")

    worker.turn()
    worker.turn()
    held = store.raw("HLEN", "athena:inflight:w1")
    worker.gate.set()

    assert (held, store.queued(), worker.session.free_slots) == (SLOTS, ["e", "f"], 0)
    worker.turn_until(lambda: ended(store, *"abcdef"))


def test_queue_of_the_own_type_comes_first(worker: Worker, store: Store) -> None:
    for number in range(SLOTS):
        store.submit(f"any{number}")
    store.submit("cpu", queue=CPU_QUEUE)
    worker.gate.clear()

    worker.turn()

    assert store.queued(CPU_QUEUE) == []
    assert store.queued(ANY_QUEUE) == ["any3"]


def test_worker_that_found_the_queues_empty_asks_no_more(worker: Worker, store: Store) -> None:
    worker.turn()
    submit(store, "j1")

    worker.turn()

    assert not worker.session.demand.may_find_jobs
    assert store.queued() == ["j1"]


def test_results_larger_than_one_script_may_carry_are_all_told(worker: Worker, store: Store) -> None:
    worker.results = {job_id: b'"' + job_id.encode() * 600_000 + b'"' for job_id in "abc"}
    worker.gate.clear()
    submit(store, *"abc")
    worker.turn()

    worker.gate.set()
    worker.turn_until(lambda: ended(store, *"abc"))

    assert {job_id: store.record(job_id).result for job_id in "abc"} == worker.results


def test_answer_of_a_job_that_was_canceled_meanwhile_is_dropped(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    store.submit("j1", abandonable=True, gateway="g1")
    worker.turn()
    store.leave("j1", "g1")

    worker.gate.set()
    worker.turn_until(lambda: worker.session.free_slots == SLOTS)

    assert store.state("j1") is JobState.CANCELED
    assert not store.exists("athena:inflight:w1")


# refusing


def test_job_of_no_version_fails_alone(worker: Worker, store: Store) -> None:
    message = json.dumps({"headers": {"id": "j1"}, "body": json.dumps([[{"v": "x"}], {}, {}])})
    store.submit("j1", message=message.encode())
    submit(store, "j2")

    worker.turn_until(lambda: ended(store, "j1", "j2"))

    record = store.record("j1")
    assert (record.state, record.code) == (JobState.FAILED, 10163)
    assert record.message == "queue message version 'x' is not known here; this worker reads up to 1"
    assert (record.started_ms, record.attempts) == (0, 0)
    assert store.state("j2") is JobState.SUCCEEDED
    assert worker.told == [("j1", "failed"), ("j2", "succeeded")]


def of_version(job_id: str, version: int) -> bytes:
    """Returns a queue message of a version."""
    ours = {"headers": {"id": job_id, "athena": 1}, "body": json.dumps([[{"v": version, "id": job_id}]])}
    return json.dumps(ours, separators=(",", ":")).encode()


def test_later_version_in_a_task_of_another_client_fails_as_all_garbage(worker: Worker, store: Store) -> None:
    message = json.dumps({"headers": {"id": "j1"}, "body": json.dumps([[{"v": 99}], {}, {}])})
    store.submit("j1", message=message.encode())

    worker.turn_until(lambda: ended(store, "j1"))

    assert store.record("j1").code == 10163


def test_job_for_a_newer_worker_goes_back_and_other_queues_go_on(
    worker: Worker, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.submit("newer", message=of_version("newer", 2))
    submit(store, "behind")
    worker.turn(0)

    store.submit("other", queue=CPU_QUEUE)
    submit(store, "later")
    for _ in range(50):
        worker.session.on_bell(worker.now_s, CPU_QUEUE, None, worker.deliver)
        worker.turn(0.01)

    # The one behind was taken along; what came later waits.
    worker.turn_until(lambda: ended(store, "behind", "other"))
    assert store.queued() == ["newer", "later"]
    record = store.record("newer")
    assert (record.state, record.attempts, record.is_held) == (JobState.QUEUED, 0, False)
    reason = "needs_newer_worker: queue message version 2 is not known here; this worker reads up to 1"
    assert record.queue_waits == store.record("later").queue_waits == reason
    told = [text for text in caplog.messages if text.startswith("queue echo.any waits")]
    assert told == [f"queue echo.any waits: job newer {reason}"]
    assert worker.told.count(("newer", "failed")) == 0


def test_held_queue_is_looked_at_ever_more_rarely_and_never_taken_from(worker: Worker, store: Store) -> None:
    store.submit("newer", message=of_version("newer", 2))
    worker.turn(0)
    store.raw("CONFIG", "RESETSTAT")

    for _ in range(600):
        worker.session.on_bell(worker.now_s, None, None, worker.deliver)
        worker.turn(0.1)

    calls = dict(re.findall(r"cmdstat_(\w+):calls=(\d+)", store.raw("INFO", "commandstats").decode()))
    # Sixty seconds: four looks in the first four, then one each five.
    assert 10 <= int(calls["lindex"]) <= 20
    assert "rpush" not in calls
    assert store.queued() == ["newer"]


def test_queue_goes_on_when_a_newer_worker_has_taken_its_head(worker: Worker, store: Store) -> None:
    store.submit("newer", message=of_version("newer", 2))
    worker.turn(0)
    store.submit("second", message=of_version("second", 3))
    submit(store, "later")
    store.register("w2")

    assert [job.job_id for job in store.take(1, "w2")] == ["newer"]
    assert store.record("later").queue_waits == ""
    worker.turn_until(lambda: "version 3" in store.record("later").queue_waits)
    assert [job.job_id for job in store.take(1, "w2")] == ["second"]
    worker.turn_until(lambda: ended(store, "later"))

    assert store.record("later").state is JobState.SUCCEEDED
    assert not store.state("newer").is_final


def test_held_queue_goes_on_when_the_job_at_its_head_is_canceled(worker: Worker, store: Store) -> None:
    store.submit("newer", message=of_version("newer", 2))
    worker.turn(0)
    submit(store, "later")

    store.run(cancel_command(["newer"], "not wanted"))
    # A janitor's work, each second.
    store.run(sweep_command("echo", [ANY_QUEUE], 60, 60, False))
    worker.turn_until(lambda: ended(store, "later"))

    assert store.state("later") is JobState.SUCCEEDED


def test_envelope_that_does_not_fit_fails_with_its_first_problem(worker: Worker, store: Store) -> None:
    store.submit("j1", message=b'{"headers": {"id": "j1"}, "body": "[[{}], {}, {}]"}')

    worker.turn_until(lambda: ended(store, "j1"))

    assert store.record("j1").message == "bad request: /header is missing"


@pytest.mark.parametrize(
    ("drop", "state"),
    [
        (lambda session: session.on_acknowledged("j1"), JobState.CANCELED),
        (lambda session: session.on_expired("j1"), JobState.EXPIRED),
        (lambda session: session.refuse("j1", ExpiredError("too late")), JobState.EXPIRED),
        (lambda session: session.refuse("j1", RequestError("no")), JobState.FAILED),
    ],
)
def test_job_that_celery_drops_ends_in_the_same_turn(
    worker: Worker, store: Store, drop: Callable[[WorkerSession], None], state: JobState
) -> None:
    submit(store, "j1")

    worker.session.turn(worker.now_s, lambda job: drop(worker.session))

    assert store.state("j1") is state
    assert worker.session.free_slots == SLOTS


def test_acknowledgement_of_a_job_that_runs_changes_nothing(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, "j1")
    worker.turn()

    worker.session.on_acknowledged("j1")
    worker.gate.set()
    worker.turn_until(lambda: ended(store, "j1"))

    assert store.state("j1") is JobState.SUCCEEDED


# trouble with Redis


def test_job_that_runs_survives_a_lost_connection(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, "j1", "j2")
    worker.turn()
    cut(store)

    # A new connection is made: the host behind the old one may be gone.
    worker.session.on_connection_lost()
    worker.turn()
    worker.gate.set()
    worker.turn_until(lambda: ended(store, "j1", "j2"))

    assert [store.record(job_id).attempts for job_id in ("j1", "j2")] == [1, 1]
    assert worker.told.count(("j1", "succeeded")) == 1


def test_outcome_is_kept_until_redis_has_it(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, "j1")
    worker.turn()
    worker.gate.set()
    assert worker.has_ended.wait(60)
    cut(store)

    with pytest.raises(RedisError):
        worker.turn_until(lambda: ended(store, "j1"))
    before = list(worker.told)
    worker.turn()

    assert ("j1", "succeeded") not in before
    assert store.state("j1") is JobState.SUCCEEDED


def test_job_whose_take_was_lost_goes_back_and_is_run(worker: Worker, store: Store) -> None:
    worker.link.run([("PING",)])
    submit(store, "j1")
    assert len(store.take(1, "w1")) == 1
    cut(store)

    with pytest.raises(RedisError):
        worker.turn()
    worker.turn_until(lambda: ended(store, "j1"))

    assert store.record("j1").attempts == 1


def test_job_that_celery_forgot_goes_back_and_is_run(worker: Worker, store: Store) -> None:
    submit(store, "j1")
    worker.session.turn(worker.now_s, lambda job: None)

    worker.session.on_connection_lost()
    worker.turn_until(lambda: ended(store, "j1"))

    assert store.state("j1") is JobState.SUCCEEDED


def test_refused_outcome_is_told_after_a_pause(
    worker: Worker, store: Store, refuse: Callable[[bool], None], caplog: pytest.LogCaptureFixture
) -> None:
    submit(store, "j1")
    worker.turn()
    assert worker.has_ended.wait(60)

    refuse(True)
    worker.turn()
    refuse(False)
    worker.turn(0.5)
    during = store.state("j1")
    worker.turn(0.5)

    assert "Redis refused to finish jobs" in caplog.text
    assert not during.is_final
    assert store.state("j1") is JobState.SUCCEEDED


def test_refused_reconcile_is_told_again(
    worker: Worker, store: Store, refuse: Callable[[bool], None]
) -> None:
    submit(store, "j1")
    store.take(1)
    worker.session.on_connection_lost()

    refuse(True)
    worker.turn()
    refuse(False)
    worker.turn_until(lambda: ended(store, "j1"))

    assert store.state("j1") is JobState.SUCCEEDED


def test_outcome_that_redis_cannot_write_is_told_again(
    worker: Worker, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    submit(store, "j1")
    worker.turn()
    assert worker.has_ended.wait(60)
    store.raw("LPUSH", "athena:result:j1", "in the way")
    store.raw("RENAME", "athena:job:j1", "aside")
    store.raw("LPUSH", "athena:job:j1", "in the way")

    worker.turn()
    store.raw("DEL", "athena:job:j1", "athena:result:j1")
    store.raw("RENAME", "aside", "athena:job:j1")
    worker.turn_until(lambda: ended(store, "j1"))

    assert "job j1 could not be finished" in caplog.text
    assert store.state("j1") is JobState.SUCCEEDED


def test_fenced_worker_ends_itself(worker: Worker, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.fence()

    with pytest.raises(WorkerShutdown) as shutdown:
        worker.turn()

    assert shutdown.value.code == 70
    assert "this worker was fenced" in caplog.text


# the end


def test_drain_finishes_what_runs_and_returns_the_rest_in_order(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, *"abcde")
    worker.turn()
    wait_until(worker.board.calls, "the first job runs")
    threading.Timer(0.05, worker.gate.set).start()

    worker.session.drain(10)

    assert store.state("a") is JobState.SUCCEEDED
    assert store.queued() == ["b", "c", "d", "e"]
    assert [store.record(job_id).attempts for job_id in "abcd"] == [1, 0, 0, 0]
    assert not store.exists("athena:inflight:w1")
    assert worker.told[-1] == ("a", "succeeded")


def test_drain_returns_what_celery_had_not_let_through(worker: Worker, store: Store) -> None:
    submit(store, "a", "b")
    worker.session.turn(worker.now_s, lambda job: None)

    worker.session.drain(10)

    assert store.queued() == ["a", "b"]


def test_call_that_outlasts_the_drain_is_told_to_the_log(
    worker: Worker, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    worker.gate.clear()
    submit(store, "a")
    worker.turn()
    wait_until(worker.board.calls, "the job runs")

    worker.session.drain(0)

    assert "an inference call did not end within 0 s" in caplog.text
    assert not store.state("a").is_final
