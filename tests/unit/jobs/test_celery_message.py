"""The queue message as every Celery tool reads it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from celery.app.task import Context
from celery.worker.request import Request
from kombu import connection as kombu_connection
from kombu import entity as kombu_entity
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import Message

from athena.jobs.celery_message import TASK_NAME, describe_inputs, encode_message, find_newer, with_new_id
from athena.jobs.message import JobMessage, MessageInput
from athena.store.celery_address import celery_url
from athena.store.connections import pool_of

#: kombu declares types for hardly anything.
Connection: Any = kombu_connection.Connection
Queue: Any = kombu_entity.Queue
RedisChannel: Any = kombu_redis.Channel

GOLDEN = Path(__file__).parents[2] / "contract" / "queue_message.json"

JOB = JobMessage(
    job_id="00112233445566778899aabbccddeeff",
    service_id="echo",
    params={"suffix": "!"},
    inputs=(
        MessageInput("text", 0, 3, 2, "aGk=", {"encoding": "utf8"}),
        MessageInput("picture", 2, 3, 3, "AAEC", {}),
    ),
    expected={"text": {"format": "plain"}},
    interface="0123456789abcdef",
)


def test_message_is_written_as_the_contract_says() -> None:
    golden = json.loads(GOLDEN.read_text())

    message = json.loads(encode_message(JOB, "echo.any"))

    assert json.loads(message.pop("body")) == golden.pop("body")
    assert message == golden


def changed(frame: object = 1, **members: Any) -> bytes:
    """Returns the message with another frame, and with other members of the job's own."""
    document = json.loads(encode_message(JOB, "echo.any"))
    body = json.loads(document["body"])
    body[0][0].update(members)
    document["headers"]["athena"] = frame
    return json.dumps({**document, "body": json.dumps(body)}).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (changed(v=2), "queue message version 2 is not known here; this worker reads up to 1"),
        (changed(needs=["deadline"]), "the queue message needs deadline, which is not known here"),
        (changed(frame=2), "queue message frame 2 is not known here; this worker reads up to 1"),
        (changed(), ""),
        (changed(v="x"), ""),
        (changed(frame=0, v=2), ""),
        (b'{"headers": {"id": "f", "task": "athena.run"}, "body": "[[{}], {}, {}]"}', ""),
        (b'{"headers": {"id": "f", "athena": 1}, "body": 5}', ""),
        (b"[]", ""),
        (b"\xff", ""),
    ],
)
def test_message_that_only_a_newer_worker_reads_is_told_from_garbage(raw: bytes, reason: str) -> None:
    assert find_newer(raw) == ((JOB.job_id, reason) if reason else None)


def test_headers_come_before_the_body() -> None:
    raw = encode_message(JOB, "echo.any")

    assert raw.index(b'"id":"' + JOB.job_id.encode()) < raw.index(b'"body":')


def received() -> Any:
    """Returns the message as kombu hands it to a worker."""
    kombu_message: Any = Message
    document = json.loads(encode_message(JOB, "echo.any").decode())
    return kombu_message(document, channel=Channel())


class Channel:
    """What a message asks of its channel."""

    def message_to_python(self, raw: Any) -> Any:
        return raw

    def decode_body(self, body: str, encoding: str) -> str:
        assert encoding == "utf-8"
        return body


def test_kombu_reads_body_and_headers() -> None:
    message = received()

    (argument,), kwargs, _ = message.decode()

    assert JobMessage.decode(argument) == JOB
    assert kwargs == {}
    assert message.headers["task"] == TASK_NAME
    assert message.properties["correlation_id"] == JOB.job_id
    assert message.delivery_tag == JOB.job_id


def test_celery_knows_every_header() -> None:
    app = Celery(set_as_current=False)
    stock = app.amqp.as_task_v2(JOB.job_id, TASK_NAME, ([],), {}).headers

    ours = received().headers

    assert stock.keys() - ours.keys() <= {"compression"}
    assert ours.keys() - stock.keys() == {"athena"}
    context = Context(ours)
    assert (context.id, context.task, context.shadow) == (JOB.job_id, TASK_NAME, "echo")
    assert context.ignore_result


def test_personalised_resource_rides_along() -> None:
    job = JobMessage("j1", "echo", {}, (), {}, resource_id="anna")

    document = json.loads(json.loads(encode_message(job, "echo.any"))["body"])[0][0]

    assert JobMessage.decode(document) == job


def test_flower_sees_names_and_sizes_and_no_data() -> None:
    assert describe_inputs(JOB) == "(echo: text: 2 bytes, picture: 3 bytes)"
    assert describe_inputs(JobMessage("j1", "echo", {}, (), {})) == "(echo: no input)"


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("redis://:secret@host:1/2", "redis://:secret@host:1/2"),
        ("rediss://host", "rediss://host:6379/0"),
        ("sentinel://u:p%40@a,[::1]:7/main/2", "sentinel://u:p%40@a:26379/2;sentinel://u:p%40@[::1]:7/2"),
        ("unix:///run/redis.sock?db=1", "redis+socket:///run/redis.sock?virtual_host=1"),
    ],
)
def test_url_is_spelled_as_kombu_wants_it(url: str, spelled: str) -> None:
    assert celery_url(url) == spelled


@pytest.fixture
def taken() -> Iterator[Any]:
    """The message as kombu's own machinery delivers it from a queue."""
    with Connection("memory://") as connection:
        channel = connection.channel()
        queue = Queue("echo.any", channel=channel)
        queue.declare()
        channel._put("echo.any", json.loads(encode_message(JOB, "echo.any")))
        yield queue.get(accept=["json"])


def test_stock_kombu_delivers_the_message(taken: Any) -> None:
    (argument,), kwargs, embed = taken.payload

    assert JobMessage.decode(argument) == JOB
    assert (kwargs, set(embed.values())) == ({}, {None})
    assert taken.content_type == "application/json"
    assert taken.delivery_info == {"exchange": "", "routing_key": "echo.any"}


def test_stock_celery_takes_the_message_for_a_task_without_answer_or_limits(taken: Any) -> None:
    app: Any = Celery(set_as_current=False)

    @app.task(name=TASK_NAME, shared=False)  # type: ignore[untyped-decorator]
    def task(envelope: object) -> None:
        """Does nothing."""

    request: Any = Request(taken, app=app, hostname="host", task=task)

    assert (request.id, request.correlation_id, request.root_id) == (JOB.job_id,) * 3
    assert (request.type, request.name) == (TASK_NAME, "echo")
    assert request.argsrepr == "(echo: text: 2 bytes, picture: 3 bytes)"
    assert (request.reply_to, request.ignore_result) == ("", True)
    assert (request.eta, request.expires, request.time_limits) == (None, None, [None, None])
    assert request.info()["args"] == [JOB.encode()]


def kombu_parameters(redis_url: str) -> dict[str, Any]:
    """Returns what kombu's Redis channel would connect to."""
    channel = RedisChannel.__new__(RedisChannel)
    channel.connection = Connection(celery_url(redis_url)).transport
    parameters: dict[str, Any] = channel._connparams()
    return parameters


@pytest.mark.parametrize(
    "url",
    [
        "redis://host",
        "redis://host:6380/2",
        "redis://:p%40ss%2F@host:1",
        "redis://user:pass@host/1",
        "redis://[::1]:7/3",
        "rediss://user:pass@host:6379/0",
        "unix:///run/redis.sock",
        "unix://:p%40ss@/run/athena/redis.sock",
        "unix://user:pass@/run/redis.sock",
    ],
)
def test_we_and_kombu_connect_to_what_redis_py_connects_to(url: str) -> None:
    defaults = {"db": 0} if url.startswith("unix") else {"db": 0, "port": 6379}

    stock = redis.ConnectionPool.from_url(url).connection_kwargs
    ours = pool_of(url, 5).connection_kwargs
    theirs = kombu_parameters(url)

    for name in ("path", "host", "port", "db", "username", "password"):
        expected = stock.get(name, defaults.get(name))
        assert (ours.get(name), theirs.get(name)) == (expected, expected), name
    assert issubclass(theirs["connection_class"], redis.SSLConnection) == url.startswith("rediss")


def test_job_that_is_tried_again_is_of_no_trace() -> None:
    traced = encode_message(JOB._replace(trace="00-a-b-01 5"), "echo.any")

    (argument,) = json.loads(json.loads(with_new_id(traced, "other"))["body"])[0]

    assert argument["id"] == "other" and "trace" not in argument
