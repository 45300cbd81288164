"""What a worker publishes for Celery's tools while Redis is away: its loop goes on."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.redis_servers import PASSWORD, Server
from workers.celery_app import AthenaApp
from workers.consumer.publishers import ANSWER_TTL_S

pytestmark = pytest.mark.redis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, PASSWORD) as server:
        yield server


@pytest.fixture
def app(server: Server) -> Iterator[Celery]:
    """The application of the workers, with that server."""
    app = AthenaApp(broker_url=url_of(server), broker_transport_options={"socket_timeout": 1})
    yield app
    # Answers leave over connections of the application's own.
    app.amqp.producer_pool.force_close_all()
    app.pool.force_close_all()


@pytest.fixture
def connection(app: Celery) -> Iterator[Any]:
    """A connection to the server, as a worker has it."""
    connection: Any = app.connection_for_write()
    connection.connect()
    yield connection
    connection.release()


def url_of(server: Server) -> str:
    return f"redis://:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{server.port}/0"


def ends_in_time(act: Callable[[], object]) -> bool:
    """Whether something ends; kombu alone would go on for ever."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    # redis-py itself tries for some seconds.
    thread.join(120)
    return not thread.is_alive()


def test_heartbeat_is_kept_until_redis_is_back(app: Celery, connection: Any, server: Server) -> None:
    dispatcher = app.events.Dispatcher(connection, buffer_while_offline=True)
    dispatcher.send("worker-heartbeat", retry=True)
    server.kill()

    assert ends_in_time(lambda: dispatcher.send("worker-heartbeat", retry=True))
    assert len(dispatcher._outbound_buffer) == 1


def test_answer_to_remote_control_is_given_up_soon(app: Celery, connection: Any, server: Server) -> None:
    node = app.control.mailbox.Node("worker", channel=connection.channel())
    ticket = {"exchange": "reply", "routing_key": "me", "ticket": "1"}
    node.reply({"worker": "pong"}, **ticket)
    server.kill()

    assert ends_in_time(lambda: node.reply({"worker": "pong"}, **ticket))


def test_answer_to_one_who_is_gone_does_not_stay(app: Celery, connection: Any, server: Server) -> None:
    mailbox = app.control.mailbox(connection)
    channel = connection.channel()
    mailbox.reply_queue(channel).declare()
    node = mailbox.Node("worker", channel=channel)
    node.reply({"worker": "pong"}, mailbox.reply_exchange.name, mailbox.oid, "1")

    with channel.conn_or_acquire() as client:
        answers = f"{mailbox.oid}.{mailbox.reply_exchange.name}"
        assert client.llen(answers) == 1
        assert 0 < client.ttl(answers) <= ANSWER_TTL_S
