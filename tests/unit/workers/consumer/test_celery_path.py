"""The way of a job through Celery and kombu: our transport, request and pool in a worker that is not started.

There is no Redis; a socket that never answers is in its place.
"""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import kombu.transport
import pytest
import redis
from celery import Celery, signals
from celery.bootsteps import CLOSE, RUN
from celery.exceptions import WorkerShutdown
from celery.worker import control, state
from celery.worker.consumer.events import Events
from hiredis import pack_command
from kombu.asynchronous import set_event_loop
from kombu.connection import Connection

from athena.errors import InternalError
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import TASK_NAME, encode_message
from athena.jobs.message import JobMessage, MessageInput
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.settings import from_env
from athena.store.address import address_of
from athena.store.lease import TakenJob
from athena.store.scripts import Command
from workers.consumer.event_budget import EventBudget
from workers.consumer.led_jobs import LedJobs
from workers.consumer.loop import CeleryLoop, make_app
from workers.consumer.loop_calls import LoopCalls
from workers.consumer.task_events import TaskBoard
from workers.consumer.transport import (
    BELL_TIMEOUT_S,
    SCHEME,
    SteadyLoop,
    register_transport,
    worker_broker_url,
)

REDIS = "unix:///nowhere/redis.sock"
TIMEOUT_S = 5.0
ENTRY = WorkerEntry("w1", "w@h", "echo", "v1", "cpu", 3)
URL = "athena+socket:///nowhere/redis.sock"


def connect(url: str) -> Any:
    return Connection(url)  # type: ignore[no-untyped-call]


class Session:
    """Notes what Celery does with the jobs; stands for WorkerSession."""

    def __init__(self) -> None:
        self.demand = SimpleNamespace(queues=["echo.cpu", "echo.any"])
        self.entry = SimpleNamespace(service_id="echo", slots=3)
        self.free_slots = 3
        self.may_wait = True
        self.take: Command | None = ("EVALSHA", "sha", 0)
        self.calls: list[tuple[Any, ...]] = []

    def may_wait_for_bells(self, now_s: float) -> bool:
        return self.may_wait

    def begin_to_wait(self) -> tuple[list[str], Command | None]:
        return ["athena:bell:echo.cpu", "athena:bell:own"], self.take

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: self.calls.append((name, *given))

    def called(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


class Wire:
    """A connection to a Redis that never answers."""

    def __init__(self) -> None:
        self._sock, self._other = socket.socketpair()
        self.sent: list[bytes] = []
        self.replies: list[Any] = []
        self.connection = self
        self.has_answer = False
        self.refusal: Exception | None = None

    def ping(self) -> None: ...

    def send_command(self, *command: Any) -> None:
        self.sent.append(packed(*command))

    def send_packed_command(self, commands: list[bytes]) -> None:
        self.sent += commands

    def read_response(self, disable_decoding: bool) -> Any:
        reply = self.replies.pop() if self.replies else []
        if isinstance(reply, Exception):
            raise reply
        return reply

    def parse_response(self, connection: Any, command: str) -> None:
        if self.refusal is not None:
            raise self.refusal

    def can_read(self, timeout: float) -> bool:
        return self.has_answer

    def disconnect(self) -> None:
        self._sock.close()
        self._other.close()


class Stage:
    """A whole Celery worker with our pool, consumer and transport, that is not started and has no Redis."""

    def __init__(self) -> None:
        self.session, self.wire = Session(), Wire()
        self.events: list[tuple[str, dict[str, Any]]] = []
        budget = SimpleNamespace(admits=lambda now_s: True)
        session: Any = self.session
        self.wakes: list[float] = []
        self.calls = LoopCalls(lambda: self.wakes.append(time.monotonic()))
        self.app: Any = make_app(session, 7, budget, self.calls, URL)  # type: ignore[arg-type]
        self.board = TaskBoard(
            ENTRY,
            self.app.tasks[TASK_NAME],
            EventBudget(50),
            lambda: self.consumer.event_dispatcher,
            self.calls,
        )
        self.led_jobs = LedJobs(session, self.board, lambda: self.wakes.append(time.monotonic()))
        address = address_of(REDIS)
        register_transport(session, self.board, self.calls, self.led_jobs, address, TIMEOUT_S)
        self.worker = self.app.WorkController(
            hostname="w@h",
            queues=self.session.demand.queues,
            concurrency=3,
            without_gossip=True,
            without_mingle=True,
        )
        self.consumer = self.worker.consumer
        self.consumer.event_dispatcher = SimpleNamespace(enabled=True, send=self._send)
        self.transport = connect(URL).transport
        self.transport.Channel.client = self.wire
        self.channel = self.transport.create_channel(self.transport)
        self.consumer.update_strategies()
        handler = self.consumer.create_task_handler()
        for queue in self.session.demand.queues:
            self.channel.basic_consume(queue, False, handler, consumer_tag=queue)

    def _send(self, type: str, **fields: Any) -> None:
        self.events.append((type, fields))

    def deliver(self, message: bytes, job_id: str = "") -> None:
        """Hands a message to Celery as the session does, and lets its loop do what is due."""
        job_id = job_id or ("f1" if b'"id": "f1"' in message else "j1")
        self.channel._deliver(TakenJob(job_id, "1:w1", "echo.any", message))
        self.settle()

    def settle(self) -> None:
        """Runs what `call_soon` was given, as each turn of the loop does."""
        self.worker.hub.reset()

    def close(self) -> None:
        self.worker.hub.close()
        self.wire.disconnect()
        self.app.close()
        state.reset_state()
        set_event_loop(None)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(kombu.transport, "_transport_cache", {})
    monkeypatch.setitem(kombu.transport.TRANSPORT_ALIASES, SCHEME, "")
    stage = Stage()
    yield stage
    stage.close()


def packed(*command: Any) -> bytes:
    data: bytes = pack_command(command)
    return data


WAIT = packed("BRPOP", "athena:bell:echo.cpu", "athena:bell:own", str(BELL_TIMEOUT_S))

MESSAGE = JobMessage("j1", "echo", {"n": "3"}, (MessageInput("text", 0, 3, 2, "aGk=", {}),), {})
QUEUED = encode_message(MESSAGE, "echo.any")


def foreign(**options: Any) -> bytes:
    """Returns the message that a stock Celery client sends."""
    sent: list[dict[str, Any]] = []
    app = Celery("stranger", broker="memory://", set_as_current=False)
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel._put = lambda queue, message, **_: sent.append(message)
        app.send_task(TASK_NAME, queue="echo.any", task_id="f1", connection=connection, **options)
    app.close()
    return json.dumps(sent[0]).encode()


# transport.py


def test_scheme_leads_to_our_transport(stage: Stage) -> None:
    connection = connect(worker_broker_url(address_of("redis://user:word@host:7000/3")))

    assert type(stage.transport).__name__ == type(connection.transport).__name__ == "JobTransport"
    assert (connection.hostname, connection.port, connection.virtual_host) == ("host", 7000, "3")
    assert (connection.userid, connection.password) == (None, None)
    assert worker_broker_url(address_of(REDIS)) == URL
    sentinels = worker_broker_url(address_of("sentinel://:word@a:1,b:2/main/3"))
    assert connect(sentinels).transport.driver_type == "redis"
    assert stage.transport.driver_type == "redis"
    assert stage.worker.should_use_eventloop()


def test_bell_that_is_overdue_breaks_the_connection(stage: Stage) -> None:
    poller = stage.transport.cycle
    poller.on_poll_start()
    stage.channel._brpop_sent_at -= BELL_TIMEOUT_S + TIMEOUT_S + 1

    with pytest.raises(redis.ConnectionError, match="did not answer within 5 s"):
        poller.on_poll_start()


def raises(error: Exception) -> Callable[..., None]:
    def fail(*given: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [KeyError("j1"), FileNotFoundError("/proc"), ZeroDivisionError()])
@pytest.mark.parametrize("step", ["turn", "on_bell", "begin_to_wait"])
def test_mistake_in_our_turn_is_no_lost_connection(stage: Stage, step: str, error: Exception) -> None:
    """kombu takes every KeyError and OSError for a lost connection."""
    poller = stage.transport.cycle
    if step == "on_bell":
        poller.on_poll_start()
    setattr(stage.session, step, raises(error))

    with pytest.raises(InternalError, match=type(error).__name__) as failure:
        if step == "on_bell":
            stage.channel.handlers["BRPOP"]()
        else:
            poller.on_poll_start()

    assert not isinstance(failure.value, stage.consumer.connection_errors)


def test_error_of_the_exchange_stays_a_lost_connection(stage: Stage) -> None:
    vars(stage.session)["turn"] = raises(redis.ConnectionError("gone"))

    with pytest.raises(stage.consumer.connection_errors, match="gone"):
        stage.transport.cycle.on_poll_start()


def test_answer_that_was_only_read_late_is_read(stage: Stage) -> None:
    poller = stage.transport.cycle
    poller.on_poll_start()
    stage.wire.has_answer = True
    stage.channel._brpop_sent_at -= BELL_TIMEOUT_S + TIMEOUT_S + 1

    poller.on_poll_start()

    assert stage.session.called("on_bell")


def test_poller_of_the_transport_knows_its_channels_and_asks_them(stage: Stage) -> None:
    poller = stage.transport.cycle

    poller.on_poll_start()
    poller.on_poll_start()

    assert list(poller._channels) == [stage.channel]
    assert stage.wire.sent == [WAIT, packed("EVALSHA", "sha", 0)]
    assert stage.channel._in_poll is stage.wire
    assert len(stage.session.called("turn")) == 2


def test_poller_does_not_block_while_the_session_says_no(stage: Stage) -> None:
    stage.session.may_wait = False

    stage.transport.cycle.on_poll_start()

    assert stage.wire.sent == []


def test_bell_that_rings_is_read_also_when_no_more_are_wanted(stage: Stage) -> None:
    poller = stage.transport.cycle
    poller.on_poll_start()
    stage.session.may_wait = False

    poller.on_poll_start()
    poller.on_readable(stage.wire._sock.fileno())

    assert not poller._paused_brpop
    assert stage.session.called("on_bell")


def test_readers_are_added_once(stage: Stage) -> None:
    added: list[int] = []
    loop = SimpleNamespace(readers={}, poller="p")

    def add_reader(fd: int, callback: Any, *args: Any) -> None:
        added.append(fd)
        loop.readers[fd] = (callback, args)

    loop.add_reader = add_reader
    steady = SteadyLoop(loop)
    for fd in (3, 4, 3):
        steady.add_reader(fd, print, fd)
    del loop.readers[3]
    steady.add_reader(3, print, 3)

    assert added == [3, 4, 3]
    assert steady.poller == "p"


def test_answer_of_the_bell_comes_to_our_method(stage: Stage) -> None:
    stage.transport.cycle.on_poll_start()

    stage.channel.handlers["BRPOP"]()

    assert stage.session.called("on_bell")
    assert stage.channel._in_poll is None


@pytest.mark.parametrize("reply", [[b"j1", b"1:w1"], None, redis.exceptions.NoScriptError("unknown")])
def test_what_was_taken_with_the_bell_comes_to_the_session(stage: Stage, reply: Any) -> None:
    stage.transport.cycle.on_poll_start()
    stage.wire.replies = [reply]

    stage.channel.handlers["BRPOP"]()

    ((_, bell, taken, deliver),) = stage.session.called("on_bell")
    assert (bell, taken) == (None, reply)
    assert deliver == stage.channel._deliver


def test_wait_without_a_take_reads_the_bell_alone(stage: Stage) -> None:
    stage.session.take = None
    stage.wire.replies = [redis.ConnectionError("there is nothing to read")]
    stage.transport.cycle.on_poll_start()

    stage.channel.handlers["BRPOP"]()

    assert stage.wire.sent == [WAIT]
    assert stage.session.called("on_bell")[0][2] is None


def test_connection_that_breaks_behind_the_bell_is_left(stage: Stage) -> None:
    stage.transport.cycle.on_poll_start()
    stage.wire.replies = [redis.ConnectionError("gone")]

    with pytest.raises(redis.ConnectionError):
        stage.channel.handlers["BRPOP"]()

    assert not stage.session.called("on_bell")
    assert not stage.channel._waits_for_bell
    assert stage.channel._in_poll is None


def test_wait_that_is_refused_ends_nothing_and_its_take_is_read(stage: Stage) -> None:
    stage.transport.cycle.on_poll_start()
    stage.wire.refusal = redis.ResponseError("NOREPLICAS Not enough good replicas to write.")
    stage.wire.replies = [[b"j1", b"1:w1"]]

    stage.channel.handlers["BRPOP"]()

    assert [name for name, *_ in stage.session.calls] == ["turn", "on_wait_refused", "on_bell", "turn"]
    ((_, bell, taken, _),) = stage.session.called("on_bell")
    assert (bell, taken, stage.wire.replies) == (None, [b"j1", b"1:w1"], [])


@pytest.mark.filterwarnings("ignore::celery.exceptions.CPendingDeprecationWarning")
@pytest.mark.parametrize(
    ("error", "is_raised"),
    [(redis.ResponseError("MISCONF"), False), (redis.exceptions.NoPermissionError("no @write"), True)],
)
def test_refused_command_of_celery_is_tried_again_but_where_it_is_forbidden(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, is_raised: bool
) -> None:
    monkeypatch.setattr("workers.consumer.consumer.LAST_RETRY_S", 0)
    starts: list[bool] = []

    def start(consumer: Any) -> None:
        starts.append(True)
        if len(starts) == 1:
            consumer.connection = connect("memory://")
            raise error
        stage.consumer.blueprint.state = CLOSE

    monkeypatch.setattr(stage.consumer.blueprint, "start", start)
    monkeypatch.setattr(stage.consumer.blueprint, "restart", lambda consumer: None)

    with pytest.raises(redis.ResponseError) if is_raised else nullcontext():
        stage.consumer.start()

    assert len(starts) == (1 if is_raised else 2)


def test_channel_without_our_queues_is_left_to_kombu(stage: Stage) -> None:
    other = stage.transport.create_channel(stage.transport)
    other.basic_consume("reply.pidbox", True, lambda message: None, consumer_tag="1")

    other._brpop_start()

    assert b"reply.pidbox" in stage.wire.sent[0]


# the way of a job of ours: transport.py, task_board.py


def accepted(stage: Stage) -> tuple[Any, ...]:
    (given,) = stage.session.called("accept")
    return given


def shown(stage: Stage) -> list[str]:
    return [type for type, _ in stage.events]


def test_our_message_reaches_the_session_with_its_single_argument(stage: Stage) -> None:
    stage.deliver(QUEUED)

    assert accepted(stage)[:2] == ("j1", MESSAGE.encode())
    ((_, introduction),) = stage.events
    assert (introduction["name"], introduction["args"]) == ("echo", "(echo: text: 2 bytes)")
    assert [task.info()["id"] for task in state.reserved_requests] == ["j1"]


def test_job_that_goes_on_is_active_until_it_ends(stage: Stage) -> None:
    stage.deliver(QUEUED)
    _, _, on_started, on_ended = accepted(stage)

    on_started()
    active = [task.info() for task in state.active_requests]
    on_ended(Outcome(JobState.SUCCEEDED, b"12345", exec_ms=1500))

    assert shown(stage) == ["task-received", "task-started", "task-succeeded"]
    end = stage.events[2][1]
    assert (end["uuid"], end["result"], end["runtime"]) == ("j1", "5 bytes", 1.5)
    assert [(task["id"], task["name"], task["hostname"]) for task in active] == [("j1", "echo", "w@h")]
    assert not state.active_requests
    assert not state.reserved_requests
    assert not state.requests
    assert (state.total_count["echo"], state.all_total_count) == (1, [1])


def test_short_job_tells_its_start_with_its_end(stage: Stage) -> None:
    stage.deliver(QUEUED)

    accepted(stage)[3](Outcome(JobState.SUCCEEDED))

    assert shown(stage) == ["task-received", "task-started", "task-succeeded"]
    assert (len(state.reserved_requests), state.total_count["echo"]) == (0, 1)


def test_job_that_failed_is_shown_with_its_error(stage: Stage) -> None:
    stage.deliver(QUEUED)

    accepted(stage)[3](Outcome(JobState.FAILED, code=10909, message="too dark"))

    type, fields = stage.events[-1]
    assert type == "task-failed"
    assert "JobFailed: 10909: too dark" in fields["traceback"]


def test_job_beyond_the_budget_is_counted_and_sends_no_event(stage: Stage) -> None:
    stage.board._budget = EventBudget(0)
    stage.deliver(QUEUED)
    _, _, on_started, on_ended = accepted(stage)

    on_started()
    active = len(state.active_requests)
    on_ended(Outcome(JobState.SUCCEEDED))

    assert stage.events == []
    assert (active, len(state.active_requests), state.all_total_count) == (1, 0, [1])


def test_revoked_job_of_ours_does_not_run(stage: Stage) -> None:
    state.revoked.add("j1")

    stage.deliver(QUEUED)

    assert stage.session.called("accept") == []
    assert stage.session.called("on_acknowledged") == [("j1",)]
    assert shown(stage) == ["task-received", "task-revoked"]
    assert not state.reserved_requests


def test_signal_of_a_received_task_is_sent(stage: Stage) -> None:
    heard: list[str] = []

    def hear(request: Any, **_: Any) -> None:
        heard.append(request.id)

    signals.task_received.connect(hear)
    try:
        stage.deliver(QUEUED)
    finally:
        signals.task_received.disconnect(hear)

    assert heard == ["j1"]


def test_events_are_gathered_and_sent_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr("workers.consumer.consumer.GATHER_EVENTS_S", 0.01)
    stage.consumer.event_dispatcher.flush = lambda: flushed.append(True)

    for _ in range(20):
        stage.consumer.on_send_event_buffered()
    early = list(flushed)
    deadline_s = time.monotonic() + 10
    while not flushed and time.monotonic() < deadline_s:
        stage.worker.hub.fire_timers()
    stage.consumer.on_send_event_buffered()

    assert (early, flushed) == ([], [True])
    assert stage.consumer._flush_is_due


def test_terminating_a_job_leaves_it_alone(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.deliver(QUEUED)
    (task,) = state.reserved_requests

    task.terminate(stage.worker.pool, signal="KILL")

    assert "cannot be terminated" in caplog.text


def test_job_that_runs_is_shown_on_a_new_connection(stage: Stage) -> None:
    stage.deliver(QUEUED)
    _, _, on_started, on_ended = accepted(stage)
    on_started()
    events = Events(stage.consumer)
    stage.consumer.connection_for_write = lambda **_: connect("memory://")

    stage.consumer.on_close()
    for _ in range(3):
        events.start(stage.consumer)
    (task,) = state.active_requests

    assert task.eventer is stage.consumer.event_dispatcher
    assert list(state.reserved_requests) == [task]
    on_ended(Outcome(JobState.SUCCEEDED))
    assert not state.reserved_requests


def test_cold_shutdown_leaves_jobs_to_the_session(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.deliver(QUEUED)
    accepted(stage)[2]()

    stage.consumer.cancel_active_requests()
    monkeypatch.setattr(state, "should_terminate", True)
    stage.worker.pool.stop()
    in_signal_handler = stage.session.called("drain")
    stage.worker.pool.terminate()

    assert len(state.active_requests) == 1
    assert (in_signal_handler, stage.session.called("drain")) == ([], [(0,)])


@pytest.mark.parametrize("is_started", [False, True])
def test_tools_may_ask_for_a_job_and_revoke_it(stage: Stage, is_started: bool) -> None:
    stage.deliver(QUEUED)
    if is_started:
        accepted(stage)[2]()
    panel = SimpleNamespace(app=stage.app, consumer=stage.consumer, tset=set)

    answers = control.revoke(panel, "j1"), control.revoke(panel, "j1", terminate=True, signal="KILL")
    stamped = control.revoke_by_stamped_headers(panel, {"who": "me"}, terminate=True)
    ((word, info),) = control.query_task(panel, "j1").values()

    assert answers == ({"ok": "tasks {'j1'} flagged as revoked"}, {"ok": "terminate: j1"})
    assert stamped == {"ok": "headers {'who': 'me'} were not terminated"}
    assert (word, info["id"]) == ("active" if is_started else "reserved", "j1")
    assert len(control.active(panel)) + len(control.reserved(panel)) == 1


# the way of a task that another client sent: transport.py, request.py, pool.py


def test_message_of_send_task_reaches_the_session_too(stage: Stage) -> None:
    stage.deliver(foreign(args=[{"header": {}}]))

    assert accepted(stage)[:2] == ("f1", {"header": {}})


def test_foreign_task_is_introduced_when_it_starts_and_is_active_until_it_ends(stage: Stage) -> None:
    stage.deliver(foreign(args=[{"header": {"app_id": "secret"}}]))
    _, _, on_started, on_ended = accepted(stage)

    on_started()
    active = [request.id for request in state.active_requests]
    on_ended(Outcome(JobState.SUCCEEDED, b"12345", exec_ms=1500))
    stage.settle()

    assert shown(stage) == ["task-received", "task-started", "task-succeeded"]
    assert stage.events[0][1]["name"] == "echo"
    assert "secret" not in repr(stage.events)
    assert (active, list(state.active_requests)) == (["f1"], [])
    assert stage.session.called("on_acknowledged") == [("f1",)]


def test_foreign_task_that_failed_is_shown_with_its_error(stage: Stage) -> None:
    stage.deliver(foreign(args=[{}]))

    accepted(stage)[3](Outcome(JobState.FAILED, code=10909, message="too dark"))
    stage.settle()

    type, fields = stage.events[-1]
    assert type == "task-failed"
    assert "JobFailed: 10909: too dark" in fields["traceback"]
    assert stage.session.called("on_acknowledged") == [("f1",)]


def test_revoked_foreign_task_is_acknowledged_without_being_run(stage: Stage) -> None:
    state.revoked.add("f1")

    stage.deliver(foreign(args=[{}]))

    assert stage.session.called("accept") == []
    assert stage.session.called("on_acknowledged") == [("f1",)]


def test_expired_job_is_told_apart(stage: Stage) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    stage.deliver(foreign(args=[{}], expires=past))

    assert [name for name, *_ in stage.session.calls] == ["on_expired", "on_acknowledged"]


def test_link_is_seen_and_refused(stage: Stage) -> None:
    stage.deliver(foreign(args=[{}], link=Celery(set_as_current=False).signature("other")))

    ((job_id, error),) = stage.session.called("refuse")
    assert (job_id, error.message) == ("f1", "links, chains and chords are not supported: callbacks")


SECRET = "the caller's own data"


@pytest.mark.parametrize("serializer", ["yaml", "pickle", "msgpack"])
def test_task_that_is_not_json_is_refused_and_its_body_is_not_logged(
    stage: Stage, serializer: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = foreign(args=["{}"])
    document = json.loads(message)
    document["content-type"] = f"application/x-{serializer}"
    document["body"] = base64.b64encode(SECRET.encode()).decode()

    stage.deliver(json.dumps(document).encode(), "f1")

    ((job_id, error),) = stage.session.called("refuse")
    assert job_id == "f1"
    assert f"application/x-{serializer}, and only application/json is read here" in error.message
    assert document["body"] not in caplog.text and SECRET not in caplog.text


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (b"no JSON: " + SECRET.encode(), {}),
        (json.dumps([SECRET, {}, {}]).encode(), {"expires": "never"}),
        (json.dumps([{"a": SECRET}, {}, {}]).encode(), {}),
        (json.dumps(SECRET).encode(), {}),
    ],
)
def test_task_that_cannot_be_read_is_refused_and_its_body_is_not_logged(
    stage: Stage, body: bytes, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    document = json.loads(foreign(args=[{}]))
    document["body"] = base64.b64encode(body).decode()
    document["headers"].update(change)

    stage.deliver(json.dumps(document).encode(), "f1")

    assert "refuse" in {name for name, *_ in stage.session.calls}
    assert {job_id for job_id, *_ in stage.session.called("refuse")} == {"f1"}
    assert document["body"] not in caplog.text and SECRET not in caplog.text


def test_task_whose_id_json_escapes_is_refused_under_the_name_of_its_record(stage: Stage) -> None:
    document = json.loads(foreign(args=[{}]))
    document["headers"]["id"] = "größe"

    stage.deliver(json.dumps(document).encode(), r"gr\u00f6\u00dfe")

    ((job_id, error),) = stage.session.called("refuse")
    assert job_id == r"gr\u00f6\u00dfe" and "plain ones" in error.message


# pool.py, consumer.py, session.py, process.py


def test_session_is_told_of_the_end_of_connection_and_worker(stage: Stage) -> None:
    stage.consumer.on_close()
    stage.worker.pool.stop()
    stage.worker.pool.terminate()

    assert stage.session.calls == [("on_connection_lost",), ("drain", 7), ("drain", 0)]
    assert stage.worker.pool.info["free-slots"] == 3


def test_connection_of_a_worker_that_stops_is_not_lost(stage: Stage) -> None:
    # As Celery stops one: its consumer first, with a connection that it closes when all else has ended.
    stage.consumer.connection = connect(URL)
    stage.consumer.blueprint.state, stage.consumer.blueprint.started = RUN, len(stage.consumer.steps)

    stage.consumer.stop()
    stage.worker.pool.stop()

    assert stage.session.calls == [("drain", 7)]


def test_shutdown_with_a_status_becomes_the_status_of_the_worker(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(worker: object) -> None:
        raise WorkerShutdown(70)

    monkeypatch.setattr(stage.worker.blueprint, "start", start)

    stage.worker.start()

    assert stage.worker.exitcode == 70


def test_consumer_does_not_give_up_after_a_hundred_tries(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []

    def note(error: Exception) -> None:
        errors.append(error)
        if len(errors) == 120:
            monkeypatch.setattr(state, "should_stop", 0)

    for name in ("FIRST_RETRY_S", "RETRY_STEP_S", "LAST_RETRY_S"):
        monkeypatch.setattr(f"workers.consumer.consumer.{name}", 0.0001)
    monkeypatch.setattr(stage.consumer, "on_connection_error_before_connected", note)

    with pytest.raises(WorkerShutdown):
        stage.consumer.ensure_connected(connect("redis+socket:///nowhere/redis.sock"))

    assert len(errors) == 120


def test_worker_has_a_hub_and_a_place_for_a_dispatcher_as_soon_as_it_is_made(stage: Stage) -> None:
    worker = stage.app.WorkController(hostname="w2@h", concurrency=1)

    assert worker.hub is not None
    assert worker.consumer.event_dispatcher is None


def test_loop_that_does_not_run_yet_need_not_be_woken() -> None:
    loop = CeleryLoop(address_of(REDIS), from_env({}), lambda: None)

    loop.wake()


def test_loop_is_woken_from_another_thread(stage: Stage) -> None:
    hub = stage.worker.hub
    hub.add_reader(stage.wire._sock, print)
    hub.call_later(3600, print)
    began_s = time.monotonic()

    threading.Timer(0.02, hub.stop).start()
    hub.run_forever()

    # If `call_soon`, which `stop` uses, did not wake it, the loop would sleep for ten seconds.
    assert time.monotonic() - began_s < 9


def test_events_and_answers_are_sent_by_one_client(stage: Stage) -> None:
    channel = stage.channel

    def lent() -> Any:
        with channel.conn_or_acquire() as client:
            return client

    first = lent()
    assert lent() is first
    with channel.conn_or_acquire(stage.wire) as client:
        assert client is stage.wire

    # As kombu does when a connection is lost.
    channel._pool = None

    second = lent()
    assert second is not first
    assert lent() is second


def test_what_threads_have_left_to_the_loop_is_done_before_its_session_ends(stage: Stage) -> None:
    done: list[str] = []
    thread = threading.Thread(target=lambda: stage.calls.do(done.append, "event"))
    thread.start()
    thread.join()

    stage.worker.pool.on_stop()

    assert done == ["event"]
    assert stage.session.called("drain") == [(7,)]


def test_job_that_a_thread_has_left_to_the_loop_is_delivered_on_its_turn(stage: Stage) -> None:
    job = TakenJob("j1", "1:w1", "echo.any", b"no message")
    stage.led_jobs.deliver(job)

    stage.channel.turn()

    [(job_id, error)] = stage.session.called("refuse")
    assert (job_id, type(error).__name__) == ("j1", "RequestError")
