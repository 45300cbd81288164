"""Whole worker processes (`python -m workers`) on a real Redis, started and fenced as by their supervisor."""

import copy
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from athena.ability.manifest import load_ability
from athena.fleet.launch import EX_LOOP_FAILED
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import encode_message
from athena.jobs.message import make_message
from athena.jobs.record import JobRecord
from athena.protocol.enums import JobState
from athena.protocol.envelope import InputValue
from athena.protocol.interface import Interface
from athena.settings import Settings, from_env
from athena.store.celery_address import celery_url
from athena.store.keys import ABILITIES, BEATS, WORKERS, bell_key
from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.child import StartError
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.placement.plan import Placement
from athena.supervisor.worker_child import WorkerChild
from tests.conftest import wait_until

from .conftest import Store

pytestmark = pytest.mark.redis

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "abilities" / "echo"
FAULTY = ROOT / "tests" / "abilities" / "faulty"
ON_CPU = Placement("", "cpu")


#: Code for a wrapper: connecting again ends in an error that is none of a connection's.
FAIL_ON_RECONNECT = """
from celery.worker.consumer.events import Events
start = Events.start
def start_once(self, consumer):
    Events.start = None
    start(self, consumer)
Events.start = start_once
"""


#: Code for a wrapper: its worker is of a later version.
READ_VERSION_2 = """
from athena.jobs import message
message.MESSAGE_VERSION = 2
"""


#: Code for a wrapper: while nothing happens, Celery's loop has no turn.
NO_IDLE_TURNS = """
from kombu.asynchronous.hub import Hub
from workers.consumer import transport
Hub.fire_timers = lambda hub, **options: 1000.0
transport.BELL_TIMEOUT_S = 1000.0
"""


class Worker(WorkerChild):
    """A worker process that a test waits for."""

    def start(self) -> None:
        self.spawn()
        wait_until(self.check_ready, f"{self.name} is ready", 20)
        self.now_serves()

    def wait_end(self) -> int:
        """Waits for the process, and does what its supervisor does then."""
        assert self.process is not None
        returncode = self.process.wait(60)
        self.process = None
        self.on_exit(returncode)
        return returncode


@pytest.fixture
def settings(redis_server: str) -> Settings:
    return from_env({"ATHENA_REDIS_URL": redis_server, "ATHENA_GRACE_S": "10"})


@pytest.fixture
def keeper(settings: Settings) -> FleetKeeper:
    return FleetKeeper(settings.redis_url, settings)


@pytest.fixture
def start(
    store: Store, settings: Settings, keeper: FleetKeeper, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Path], Worker]]:
    """Starts workers; they end with the test."""
    monkeypatch.setenv("ATHENA_REDIS_URL", settings.redis_url)
    started: list[Worker] = []

    def start(folder: Path, placement: Placement = ON_CPU) -> Worker:
        started.append(Worker(AbilityReading(load_ability(folder)), placement, keeper, settings))
        started[-1].start()
        return started[-1]

    yield start
    for worker in started:
        worker.signal(signal.SIGKILL)
        if worker.is_running:
            worker.wait_end()


def submit(store: Store, service_id: str, job_id: str, claim: bool = False, **params: str) -> None:
    """Submits a job as a gateway does."""
    queue = f"{service_id}.any"
    item = InputValue("text", 0, 3, "aGk=", b"hi", {})
    message, beside = make_message(job_id, service_id, params, [item], {}, -1 if claim else 1000)
    if beside is not None:
        store.put_payload(job_id, beside)
    changes = {"service_id": service_id, "queue": queue, "message": encode_message(message, queue)}
    assert store.submit(job_id, claim=claim, **changes) == [b"accepted"]


def final(store: Store, job_id: str) -> JobRecord:
    """Waits for a job's end."""

    def has_ended() -> bool:
        record = store.read(job_id)
        return record is not None and record.state.is_final

    wait_until(has_ended, f"job {job_id} has ended")
    return store.record(job_id)


def break_connections(store: Store, worker: Worker) -> None:
    """Breaks all that a worker has to Redis, and waits until it listens again."""

    def waits() -> list[str]:
        clients = store.raw("CLIENT", "LIST").decode().splitlines()
        return [line.split()[0] for line in clients if "cmd=subscribe" in line or "cmd=psubscribe" in line]

    wait_until(waits, "the worker listens to Celery's tools")
    before = waits()
    store.raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    store.raw("CLIENT", "KILL", "TYPE", "pubsub")
    wait_until(lambda: set(waits()) - set(before), "the worker has connected again")
    assert worker.process is not None and worker.process.poll() is None


def refusals(store: Store) -> int:
    """Returns how many commands Redis has refused."""
    lines = store.raw("INFO", "errorstats").decode().splitlines()
    return sum(int(line.partition("count=")[2]) for line in lines if line.startswith("errorstat_"))


def test_worker_serves_its_ability_from_its_registration_to_its_end(
    start: Callable[[Path], Worker], store: Store, keeper: FleetKeeper
) -> None:
    worker = start(ECHO)
    entry = WorkerEntry.decode(store.raw("HGET", WORKERS, worker.incarnation))
    interface = Interface.decode(store.raw("HGET", ABILITIES, "echo"))
    keeper.on_tick(1000)

    submit(store, "echo", "small", suffix="!")
    submit(store, "echo", "large", claim=True)
    small, large = final(store, "small"), final(store, "large")
    beats = store.raw("HGET", BEATS, worker.incarnation)
    worker.signal(signal.SIGTERM)
    wait_until(lambda: not store.raw("HEXISTS", WORKERS, worker.incarnation), "the worker signs off")

    assert (entry.service_id, entry.gpu_type, entry.slots) == ("echo", "cpu", 64)
    assert interface.example is not None
    assert json.loads(small.result or b"") == {"text": {"seq": 0, "status": 3, "text": "aGkh"}}
    assert json.loads(large.result or b"")["text"]["text"] == "aGk="
    assert (small.worker, small.attempts, beats) == (entry.name, 1, b"1")
    assert worker.wait_end() == 0
    assert not store.raw("HEXISTS", BEATS, worker.incarnation)


@pytest.mark.parametrize("is_on_cpu", [True, False])
def test_worker_says_that_its_model_is_not_on_its_gpu(
    start: Callable[..., Worker], store: Store, tmp_path: Path, is_on_cpu: bool
) -> None:
    source = (ECHO / "wrapper.py").read_text()
    note = "from athena.sdk import device\n\ndevice.note_cpu()\n" if is_on_cpu else ""
    (tmp_path / "wrapper.py").write_text(f"{source}\n{note}")
    (tmp_path / "ability.toml").write_text('service_id = "echo"\n[gpu]\ntypes = ["T4G16", "cpu"]\n')

    worker = start(tmp_path, Placement("echo", "T4G16", "GPU-1", "0"))
    entry = WorkerEntry.decode(store.raw("HGET", WORKERS, worker.incarnation))
    submit(store, "echo", "j1")

    expected = ("cpu", "", "") if is_on_cpu else ("T4G16", "GPU-1", "0")
    assert (entry.gpu_type, entry.gpu_id, entry.gpu_label) == expected
    assert final(store, "j1").gpu_type == expected[0]
    # By its name it is found in what its supervisor tells.
    assert entry.name == worker.node_name


def test_message_that_cannot_be_read_fails_alone(
    start: Callable[[Path], Worker], store: Store, redis_server: str
) -> None:
    worker = start(ECHO)
    bad = {
        "text": 'no JSON, but "id": "text"',
        "list": '{"headers": [{"id": "list"}]}',
        "name": '{"headers": {"id": "name", "task": "other"}}',
        "eta": '{"headers": {"id": "eta", "task": "athena.run", "eta": "2030-01-01T00:00:00"}}',
    }
    app = Celery("stranger", broker=celery_url(redis_server), set_as_current=False)

    for message in bad.values():
        store.raw("LPUSH", "echo.any", message)
    app.send_task("athena.run", [{}], queue="echo.any", task_id="yaml", serializer="yaml")
    app.send_task("athena.run", [{"header": 3}], queue="echo.any", task_id="envelope")
    submit(store, "echo", "good")

    assert final(store, "good").state is JobState.SUCCEEDED
    for job_id in [*bad, "yaml", "envelope"]:
        record = final(store, job_id)
        assert (record.state, record.code) == (JobState.FAILED, 10163), job_id
    assert "not one of Celery's" in final(store, "text").message
    assert "there is no task 'other' here" in final(store, "name").message
    assert "eta and countdown are not supported" in final(store, "eta").message
    assert worker.process is not None and worker.process.poll() is None


def without(document: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place = changed
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return changed


def test_message_that_somebody_has_forged_fails_alone(
    start: Callable[[Path], Worker], store: Store, redis_server: str
) -> None:
    worker = start(ECHO)
    message, _ = make_message("x", "echo", {}, [InputValue("text", 0, 3, "aGk=", b"hi", {})], {}, 1000)
    good = without(json.loads(encode_message(message, "echo.any")), "headers", "athena")
    argument = json.loads(good["body"])[0][0]
    bodies = [
        "3",
        "null",
        "[[],{}]",
        "",
        "{",
        "[[3],{},{}]",
        '[[{"v":1}],{},{}]',
        '[[{"v":2}],{},{}]',
        *(json.dumps([[{**argument, name: 3}], {}, {}]) for name in argument if name != "v"),
    ]
    forged = [{**good, "body": body} for body in bodies]
    forged += [
        without(good, "properties"),
        without(good, "properties", "delivery_tag"),
        without(good, "body"),
    ]
    forged += [{**good, "headers": {**good["headers"], "timelimit": 3}}]
    forged += [{**good, "content-type": "application/x-nobody"}]
    forged += [{**good, "properties": {**good["properties"], "body_encoding": "base64"}}]

    for number, document in enumerate(forged):
        document["headers"] = {**document["headers"], "id": f"forged-{number}"}
        store.raw("LPUSH", "echo.any", json.dumps(document))
    app = Celery("stranger", broker=celery_url(redis_server), set_as_current=False)
    app.send_task("athena.run", [{"v": 1}], queue="echo.any", task_id="short")
    submit(store, "echo", "good")

    assert final(store, "good").state is JobState.SUCCEEDED
    for job_id in [*(f"forged-{number}" for number in range(len(forged))), "short"]:
        assert final(store, job_id).state in (JobState.FAILED, JobState.SUCCEEDED), job_id
    assert final(store, "short").code == 10163
    assert worker.process is not None and worker.process.poll() is None
    assert not store.exists(f"athena:inflight:{worker.incarnation}")


def test_job_that_was_queued_for_another_interface_fails_and_says_so(
    start: Callable[[Path], Worker], store: Store
) -> None:
    """A parameter was renamed while the job waited."""
    submit(store, "faulty", "old", language="en")
    submit(store, "faulty", "fits", mode="echo")

    start(FAULTY)

    assert final(store, "fits").state is JobState.SUCCEEDED
    record = final(store, "old")
    assert (record.state, record.code) == (JobState.FAILED, 10107)
    assert "/parameter/faulty/language is not known here" in record.message


def test_terminating_a_job_lets_it_run_on(
    start: Callable[[Path], Worker], store: Store, redis_server: str
) -> None:
    worker = start(FAULTY)
    app = Celery("operator", broker=celery_url(redis_server), set_as_current=False)
    submit(store, "faulty", "running", seconds="1")
    submit(store, "faulty", "waiting")
    wait_until(lambda: store.field("waiting", "token"), "the jobs are taken")

    app.control.revoke(["running", "waiting"], terminate=True)

    assert final(store, "running").state is JobState.SUCCEEDED
    assert final(store, "waiting").state.is_final
    assert worker.process is not None and worker.process.poll() is None


def test_running_job_survives_a_lost_connection(start: Callable[[Path], Worker], store: Store) -> None:
    worker = start(FAULTY)
    submit(store, "faulty", "running", seconds="0.4")
    wait_until(lambda: store.field("running", "token"), "the job is taken")

    store.raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    submit(store, "faulty", "next")

    running, following = final(store, "running"), final(store, "next")
    assert (running.state, running.attempts) == (JobState.SUCCEEDED, 1)
    assert (following.state, following.attempts) == (JobState.SUCCEEDED, 1)
    assert worker.process is not None and worker.process.poll() is None


def test_job_that_runs_for_long_survives_three_lost_connections(
    start: Callable[[Path], Worker], store: Store
) -> None:
    worker = start(FAULTY)
    submit(store, "faulty", "running", seconds="5")
    submit(store, "faulty", "waiting")
    # Told after 50 ms: from then on Celery has the job among its active requests.
    wait_until(lambda: store.state("running") is JobState.RUNNING, "the job runs")

    for _ in range(3):
        break_connections(store, worker)

    running, waiting = final(store, "running"), final(store, "waiting")
    assert (running.state, running.attempts, running.deaths) == (JobState.SUCCEEDED, 1, 0)
    assert (waiting.state, waiting.attempts, waiting.deaths) == (JobState.SUCCEEDED, 1, 0)
    assert worker.process is not None and worker.process.poll() is None


@pytest.mark.parametrize("reconnects", [False, True])
def test_worker_outlives_a_redis_that_refuses_writes(
    start: Callable[[Path], Worker], store: Store, reconnects: bool
) -> None:
    worker = start(FAULTY)
    submit(store, "faulty", "before", seconds="1")
    wait_until(lambda: store.state("before") is JobState.RUNNING, "the job runs")

    store.raw("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        if reconnects:
            store.raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        refused = refusals(store)
        # An idle worker waits for its bells about once a second.
        wait_until(lambda: refusals(store) >= refused + 4, "Redis has refused its waits", 20)
        assert worker.process is not None and worker.process.poll() is None
    finally:
        store.raw("CONFIG", "SET", "min-replicas-to-write", "0")
    submit(store, "faulty", "after")

    assert [final(store, name).state for name in ("before", "after")] == [JobState.SUCCEEDED] * 2
    assert store.record("before").attempts == 1
    assert worker.process.poll() is None


def test_bell_that_is_no_list_ends_no_worker(start: Callable[[Path], Worker], store: Store) -> None:
    worker = start(ECHO)
    bell = bell_key(worker.incarnation)
    store.raw("SET", bell, "no list")
    refused = refusals(store)
    wait_until(lambda: refusals(store) >= refused + 2, "Redis has refused its waits", 20)

    store.raw("DEL", bell)
    submit(store, "echo", "after")

    assert final(store, "after").state is JobState.SUCCEEDED
    assert worker.process is not None and worker.process.poll() is None


def test_worker_whose_loop_fails_ends_with_a_status_of_its_own_and_blames_no_job(
    start: Callable[[Path], Worker],
    store: Store,
    keeper: FleetKeeper,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    source = (
        (FAULTY / "wrapper.py").read_text().replace("import ctypes", f"{FAIL_ON_RECONNECT}\nimport ctypes")
    )
    (tmp_path / "wrapper.py").write_text(source)
    (tmp_path / "ability.toml").write_text((FAULTY / "ability.toml").read_text())
    monkeypatch.setenv("ATHENA_GRACE_S", "0.2")
    worker = start(tmp_path)
    submit(store, "faulty", "running", seconds="5")
    wait_until(lambda: store.state("running") is JobState.RUNNING, "the job runs")

    store.raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    status = worker.wait_end()
    # The supervisor's connection was broken too.
    keeper.on_tick(1000)

    record = store.record("running")
    assert status == EX_LOOP_FAILED
    assert not worker.died_at_work
    assert (record.state, record.attempts, record.deaths) == (JobState.QUEUED, 1, 0)


def test_cold_shutdown_returns_what_runs_and_blames_no_job(
    start: Callable[[Path], Worker], store: Store
) -> None:
    worker = start(FAULTY)
    submit(store, "faulty", "running", seconds="5")
    wait_until(lambda: store.state("running") is JobState.RUNNING, "the job runs")

    worker.signal(signal.SIGQUIT)
    status = worker.wait_end()

    record = store.record("running")
    assert (status, record.state, record.attempts, record.deaths) == (0, JobState.QUEUED, 1, 0)


def test_stopped_worker_fails_no_task_of_another_client(
    start: Callable[[Path], Worker], store: Store, redis_server: str
) -> None:
    worker = start(FAULTY)
    app = Celery("stranger", broker=celery_url(redis_server), set_as_current=False)
    request = {
        "header": {"app_id": "stranger", "status": 3},
        "parameter": {"faulty": {"seconds": 0.05}},
        "payload": {"text": {"text": "aGVsbG8="}},
    }
    ids = [f"foreign-{number}" for number in range(100)]
    for job_id in ids:
        app.send_task("athena.run", [request], queue="faulty.any", task_id=job_id)
    wait_until(lambda: store.field(ids[5], "state") == b"succeeded", "some have ended")
    worker.signal(signal.SIGTERM)
    assert worker.wait_end() == 0

    # Those that nobody has taken are not known yet.
    states = {store.field(job_id, "state") for job_id in ids}
    assert states <= {b"succeeded", b"queued", None}
    assert not store.exists(f"athena:inflight:{worker.incarnation}")


def test_worker_that_was_fenced_ends_itself(start: Callable[[Path], Worker], store: Store) -> None:
    worker = start(ECHO)

    store.fence(incarnation=worker.incarnation)

    assert worker.wait_end() == 70


def test_stopped_worker_finishes_what_runs_and_returns_the_rest(
    start: Callable[[Path], Worker], store: Store
) -> None:
    worker = start(FAULTY)
    submit(store, "faulty", "running", seconds="1.5")
    submit(store, "faulty", "second")
    submit(store, "faulty", "third")
    wait_until(lambda: store.field("third", "token"), "the jobs are taken")

    worker.signal(signal.SIGTERM)
    status = worker.wait_end()

    assert status == 0
    assert store.state("running") is JobState.SUCCEEDED
    assert store.queued("faulty.any") == ["second", "third"]
    assert store.record("second").attempts == 0
    assert not store.raw("HEXISTS", WORKERS, worker.incarnation)


def test_idle_worker_that_is_stopped_does_not_wait_for_its_next_turn(
    start: Callable[[Path], Worker], store: Store, tmp_path: Path
) -> None:
    (tmp_path / "wrapper.py").write_text(f"{(ECHO / 'wrapper.py').read_text()}\n{NO_IDLE_TURNS}")
    (tmp_path / "ability.toml").write_text((ECHO / "ability.toml").read_text())
    worker = start(tmp_path)
    wait_until(lambda: b"cmd=brpop" in store.raw("CLIENT", "LIST"), "it waits for bells")

    worker.signal(signal.SIGTERM)

    assert worker.wait_end() == 0
    # The wait has ended, too: nothing is taken for a worker that is gone.
    submit(store, "echo", "later")
    assert store.queued("echo.any") == ["later"]


def test_jobs_of_a_killed_worker_run_again(start: Callable[[Path], Worker], store: Store) -> None:
    worker = start(FAULTY)
    submit(store, "faulty", "running", seconds="60")
    submit(store, "faulty", "waiting")
    wait_until(lambda: store.state("running") is JobState.RUNNING, "the job runs")

    worker.signal(signal.SIGKILL)
    worker.wait_end()

    running, waiting = store.record("running"), store.record("waiting")
    assert store.queued("faulty.any") == ["running", "waiting"]
    assert (running.state, running.attempts, running.deaths) == (JobState.QUEUED, 1, 1)
    assert running.last_failure == "the worker process died under the job (killed by SIGKILL)"
    assert (waiting.attempts, waiting.deaths) == (0, 0)
    assert not store.exists(f"athena:inflight:{worker.incarnation}")


def test_worker_that_cannot_load_its_ability_says_why(
    start: Callable[[Path], Worker], store: Store, tmp_path: Path
) -> None:
    (tmp_path / "wrapper.py").write_text("import a_module_that_nobody_has")
    (tmp_path / "ability.toml").write_text('service_id = "broken"')

    with pytest.raises(StartError, match=r"ability broken: .* cannot be loaded: ModuleNotFoundError"):
        start(tmp_path)

    assert store.raw("HLEN", WORKERS) == 1


def test_celery_uses_the_database_that_a_unix_url_names(redis_client: redis.Redis, redis_server: str) -> None:
    app = Celery("stranger", broker=celery_url(f"{redis_server}?db=3"), set_as_current=False)

    app.send_task("athena.run", [{}], queue="echo.any")

    with redis.Redis.from_url(f"{redis_server}?db=3", protocol=2) as third:
        assert third.llen("echo.any") == 1
    assert redis_client.llen("echo.any") == 0


def submit_newer(store: Store, job_id: str, queue: str = "echo.any") -> None:
    """Submits a job as a gateway of a later version does."""
    item = InputValue("text", 0, 3, "aGk=", b"hi", {})
    message, _ = make_message(job_id, "echo", {}, [item], {}, 1000)
    document = json.loads(encode_message(message, queue))
    body = json.loads(document["body"])
    body[0][0]["v"] = 2
    raw = json.dumps({**document, "body": json.dumps(body)}, separators=(",", ":")).encode()
    assert store.submit(job_id, queue=queue, message=raw) == [b"accepted"]


def test_job_of_a_later_version_waits_for_a_newer_worker(
    store: Store, start: Callable[..., Worker], tmp_path: Path
) -> None:
    start(ECHO)
    submit_newer(store, "newer")
    wait_until(lambda: store.record("newer").queue_waits, "the worker has given it back")
    submit(store, "echo", "behind")
    item = InputValue("text", 0, 3, "aGk=", b"hi", {})
    message, _ = make_message("other", "echo", {}, [item], {}, 1000)
    assert store.submit("other", queue="echo.cpu", message=encode_message(message, "echo.cpu")) == [
        b"accepted"
    ]

    assert final(store, "other").state is JobState.SUCCEEDED
    record = store.record("newer")
    assert (record.state, record.attempts, record.deaths) == (JobState.QUEUED, 0, 0)
    reason = "needs_newer_worker: queue message version 2 is not known here; this worker reads up to 1"
    assert store.record("behind").queue_waits == record.queue_waits == reason
    assert store.queued() == ["newer", "behind"]

    (tmp_path / "ability.toml").write_text((ECHO / "ability.toml").read_text())
    source = (
        (ECHO / "wrapper.py").read_text().replace("from athena.sdk", f"{READ_VERSION_2}\nfrom athena.sdk", 1)
    )
    (tmp_path / "wrapper.py").write_text(source)
    start(tmp_path)

    assert [final(store, job_id).state for job_id in ("newer", "behind")] == [JobState.SUCCEEDED] * 2
    assert store.record("newer").attempts == 1
