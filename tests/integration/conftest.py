"""The store as gateways and workers use it: commands of athena.store.submission, run on a real Redis."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import NoScriptError

from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import encode_message
from athena.jobs.message import make_message
from athena.jobs.queues import queue_name
from athena.jobs.record import JobRecord, Outcome
from athena.protocol.enums import JobState
from athena.protocol.envelope import InputValue
from athena.store.fencing import Death, fence_command, fenced_jobs
from athena.store.keys import WORKERS, later_key, payload_key, reply_channel
from athena.store.lease import (
    Draw,
    ForeignLimits,
    TakenJob,
    acquit_command,
    finish_command,
    give_back_command,
    reconcile_command,
    reconciled_jobs,
    start_command,
    take_command,
    taken_jobs,
)
from athena.store.scripts import Command, script_of
from athena.store.submission import (
    Reply,
    Submission,
    job_record,
    leave_command,
    read_command,
    split_replies,
    submit_command,
)
from tests.leftovers import leftovers

FOREIGN = ForeignLimits(result_ttl_s=3600, record_ttl_s=86400, max_queue_s=600)

ANY_QUEUE = queue_name("echo", "any")
CPU_QUEUE = queue_name("echo", "cpu")


#: All keys of a Redis: name, value as DUMP writes it, milliseconds left, 0 for ever.
Memory = list[tuple[bytes, bytes, int]]


class Store:
    """Runs commands on Redis, and knows how a job looks like."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._takes = 0

    def run(self, command: Command) -> Any:
        """Runs a command; a script is loaded when Redis does not know it."""
        try:
            return self.raw(*command)
        except NoScriptError:
            script = script_of(command)
            assert script is not None
            self.raw("SCRIPT", "LOAD", script.source)
            return self.raw(*command)

    def raw(self, *command: str | bytes | int) -> Any:
        """Runs a command and returns its reply as Redis gives it, which redis-py's client would not."""
        self._connection.send_command(*command)
        return self._connection.read_response(disable_decoding=True)

    def submit(self, job_id: str, **changes: Any) -> list[bytes]:
        """Submits a job, and returns the words of its verdict; what is not named is ordinary."""
        return self.submit_all(submission(job_id, **changes))[0].split(b" ")

    def submit_all(self, *jobs: Submission) -> list[bytes]:
        """Submits jobs at once."""
        verdicts: list[bytes] = self.run(submit_command(jobs))
        return verdicts

    def register(self, incarnation: str = "w1", gpu_type: str = "cpu") -> None:
        """Makes a worker known, as it does itself when it is ready."""
        entry = WorkerEntry(incarnation, "echo.cpu.0@host", "echo", "v1", gpu_type, 4)
        self.raw("HSET", WORKERS, incarnation, entry.encode())

    def take(self, count: int = 10, incarnation: str = "w1") -> list[TakenJob]:
        """Takes jobs for a worker that is not fenced."""
        taken = self.try_take(count, incarnation)
        assert taken is not None
        return taken

    def try_take(self, count: int = 10, incarnation: str = "w1") -> list[TakenJob] | None:
        """Takes jobs; None when the worker is fenced."""
        queues = [Draw(CPU_QUEUE), Draw(ANY_QUEUE)]
        self._takes += 1
        return taken_jobs(self.run(take_command(incarnation, queues, count, FOREIGN, self._takes)))

    def start(self, *jobs: TakenJob) -> list[int]:
        """Tells that jobs have started."""
        pairs = [(job.job_id, job.token) for job in jobs]
        verdicts: list[int] = self.run(start_command("cpu", "echo.cpu.0@host", pairs))
        return verdicts

    def finish(self, job_id: str, token: str, outcome: Outcome | None = None, incarnation: str = "w1") -> Any:
        """Ends one job and returns its verdict."""
        return self.finish_all((job_id, token, outcome or succeeded()), incarnation=incarnation)[0]

    def finish_all(self, *jobs: tuple[str, str, Outcome], incarnation: str = "w1") -> list[Any]:
        """Ends several jobs."""
        verdicts: list[Any] = self.run(finish_command(incarnation, "cpu", "echo.cpu.0@host", jobs))
        return verdicts

    def give_back(self, *jobs: TakenJob, incarnation: str = "w1") -> int:
        """Returns jobs in the order in which they were taken."""
        count: int = self.run(give_back_command(incarnation, [(job.job_id, job.token) for job in jobs]))
        return count

    def acquit(self, *jobs: TakenJob, incarnation: str = "w1") -> int:
        """Returns jobs that failed in a broken process."""
        tickets = [(job.job_id, job.token) for job in jobs]
        count: int = self.run(acquit_command(incarnation, "echo.cpu.0@host", "no licence", tickets))
        return count

    def reconcile(self, *jobs: TakenJob, incarnation: str = "w1") -> tuple[list[str], list[str]]:
        """Compares what a worker holds with what Redis believes: what went back, what is gone."""
        return reconciled_jobs(
            self.run(reconcile_command(incarnation, [(job.job_id, job.token) for job in jobs]))
        )

    def fence(self, *blamed: str, incarnation: str = "w1", **changes: Any) -> tuple[int, int]:
        """Buries a worker: how many of its jobs went back, how many ended."""
        death = Death(
            **{"reason": "it died", "blamed": blamed, "max_attempts": 3, "dead_ttl_s": 60, **changes}
        )
        fenced = fenced_jobs(self.run(fence_command(incarnation, death)))
        return len(fenced.returned), len(fenced.ended)

    def leave(self, job_id: str, gateway: str) -> int:
        """A gateway has nobody left who waits."""
        canceled: int = self.run(leave_command(job_id, gateway))
        return canceled

    def read(self, job_id: str, gateway: str = "") -> JobRecord | None:
        """Reads a record."""
        return job_record(job_id, self.run(read_command(job_id, gateway)))

    def record(self, job_id: str) -> JobRecord:
        """Reads a record that must be there."""
        record = self.read(job_id)
        assert record is not None
        return record

    def field(self, job_id: str, name: str) -> bytes | None:
        """Reads a field of a record that `JobRecord` does not show."""
        value: bytes | None = self.raw("HGET", f"athena:job:{job_id}", name)
        return value

    def state(self, job_id: str) -> JobState:
        """Reads a job's state without the lazy expiry of the read script."""
        value = self.field(job_id, "state")
        assert value is not None
        return JobState(value.decode())

    def queued(self, queue: str = ANY_QUEUE) -> list[str]:
        """Returns the ids in a queue, the one that is taken next first."""
        messages = reversed(self.raw("LRANGE", queue, 0, -1))
        return [message.split(b'"id":"')[1].split(b'"')[0].decode() for message in messages]

    def put_off(self) -> list[str]:
        """Returns the ids of jobs that are tried again later, the next one first."""
        messages = self.raw("ZRANGE", later_key("echo"), 0, -1)
        return [message.split(b'"id":"')[1].split(b'"')[0].decode() for message in messages]

    def pttl(self, key: str) -> int:
        """Milliseconds that a key has left; -1 for ever, -2 no such key."""
        value: int = self.raw("PTTL", key)
        return value

    def exists(self, key: str) -> bool:
        """Whether a key is there."""
        return bool(self.raw("EXISTS", key))

    def remember(self) -> "Memory":
        """Returns all that Redis holds."""
        keys: list[bytes] = self.raw("KEYS", "*")
        return [(key, self.raw("DUMP", key), max(0, self.pttl(key.decode()))) for key in keys]

    def go_back(self, memory: "Memory") -> None:
        """Lets Redis hold what it held at an earlier time, as one does that has lost its last writes."""
        self.raw("FLUSHALL")
        for key, value, ttl_ms in memory:
            self.raw("RESTORE", key, ttl_ms, value)

    def put_payload(self, job_id: str, payload: bytes) -> None:
        """Lays inputs beside a job that will be submitted, as a gateway does."""
        self.raw("SET", payload_key(job_id), payload, "EX", 120)


class Ear:
    """Hears what is published to gateways."""

    def __init__(self, client: Any, *gateways: str) -> None:
        self._client = client
        self._gateways = gateways
        self._pubsub = client.pubsub()
        self._pubsub.subscribe(*(reply_channel(gateway) for gateway in gateways))
        for _ in gateways:
            assert self._pubsub.get_message(timeout=60) is not None

    def next(self) -> tuple[str, list[Reply]]:
        """Returns the next publication: gateway and replies."""
        message = self._pubsub.get_message(timeout=60)
        assert message is not None, "nothing was published"
        return message["channel"].decode().removeprefix(reply_channel("")), split_replies(message["data"])

    def is_silent(self) -> bool:
        """Whether all that was published so far has been heard: what comes next is our own message."""
        self._client.publish(reply_channel(self._gateways[0]), b"")
        return self.next() == (self._gateways[0], [])

    def close(self) -> None:
        """Stops listening."""
        self._pubsub.close()


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Looks after each test, when all that it has started has ended, for keys that nothing would remove.

    A test that spoils keys by hand, or lets Redis forget some, is marked `spoils_keys`.
    """
    is_asked = "redis_client" in request.fixturenames and not request.node.get_closest_marker("spoils_keys")
    client = request.getfixturevalue("redis_client") if is_asked else None
    yield
    assert client is None or leftovers(client) == []


@pytest.fixture
def store(redis_client: redis.Redis) -> Iterator[Store]:
    """The store, with one worker registered."""
    connection: Any = redis_client.connection_pool.make_connection()
    store = Store(connection)
    store.register()
    yield store
    connection.disconnect()


@pytest.fixture
def ear(redis_client: redis.Redis) -> Iterator[Ear]:
    """Hears what is published to the gateways g1 and g2."""
    ear = Ear(redis_client, "g1", "g2")
    yield ear
    ear.close()


def submission(job_id: str, **changes: Any) -> Submission:
    """Returns an ordinary asynchronous job, with changes."""
    queue = changes.get("queue", ANY_QUEUE)
    item = InputValue("text", 0, 3, "aGk=", b"hi", {})
    limit = -1 if changes.get("claim") else 1000
    message, _ = make_message(job_id, "echo", {}, [item], {}, limit)
    ordinary: dict[str, Any] = {
        "job_id": job_id,
        "service_id": "echo",
        "queue": queue,
        "message": encode_message(message, queue),
        "app_id": "demo",
        "request_id": "",
        "body_hash": "",
        "gateway": "",
        "abandonable": False,
        "claim": False,
        "bytes": 1000,
        "max_queue_jobs": 100,
        "max_open_bytes": 10**9,
        "max_queue_s": 600,
        "result_ttl_s": 3600,
        "record_ttl_s": 86400,
    }
    return Submission(**{**ordinary, **changes})


def succeeded(payload: bytes = b'{"text":1}') -> Outcome:
    """Returns the outcome of a job that went well."""
    return Outcome(JobState.SUCCEEDED, payload, exec_ms=7, batch_size=2)


def failed(message: str = "broken") -> Outcome:
    """Returns the outcome of a job that did not."""
    return Outcome(JobState.FAILED, code=10909, message=message, exec_ms=3)
