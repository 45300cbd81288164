"""What workers/ relies on in Celery, kombu and redis-py, most of it private there.

A failure here names the file of ours that must be looked at when one of them has changed. How the seams work
together is tested in test_celery_path.py.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import celery
import kombu.transport
import pytest
from celery import signals
from celery.app.defaults import NAMESPACES, flatten
from celery.concurrency.base import BasePool
from celery.events.dispatcher import EventDispatcher
from celery.worker import state
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from celery.worker.worker import WorkController
from kombu.asynchronous.hub import Hub
from kombu.connection import Connection
from kombu.pidbox import Mailbox
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis.connection import AbstractConnection, ConnectionPool

from workers import celery_app
from workers.consumer.task_events import JobTask

WORKERS = Path(__file__).parents[3] / "workers"


@pytest.mark.parametrize("package", ["celery", "kombu"])
def test_version_is_the_one_that_the_seams_were_written_for(package: str) -> None:
    assert version(package).startswith("5.7."), f"{package}: read workers/ and this file before changing it"


CHANNEL = Connection("memory://").channel()  # type: ignore[no-untyped-call]
POLLER = kombu_redis.MultiChannelPoller()  # type: ignore[no-untyped-call]

#: file of ours, owner, name, signature
METHODS: list[tuple[str, Any, str, str]] = [
    ("consumer/consumer.py", Consumer, "ensure_connected", "(self, conn)"),
    ("consumer/consumer.py", Consumer, "on_connection_error_before_connected", "(self, exc)"),
    ("consumer/consumer.py", Consumer, "on_connection_error_after_connected", "(self, exc)"),
    ("consumer/consumer.py", Consumer, "on_close", "(self)"),
    ("consumer/consumer.py", Consumer, "on_send_event_buffered", "(self)"),
    ("consumer/consumer.py", Consumer, "_flush_events", "(self)"),
    ("consumer/consumer.py", state, "maybe_shutdown", "()"),
    (
        "consumer/publishers.py",
        EventDispatcher,
        "_publish",
        "(self, event, producer, routing_key, retry=False, retry_policy=None, utcoffset=utcoffset)",
    ),
    (
        "consumer/publishers.py",
        Mailbox,
        "_publish_reply",
        "(self, reply, exchange, routing_key, ticket, channel=None, producer=None, **opts)",
    ),
    ("consumer/pool.py", BasePool, "on_apply", "(self, *args, **kwargs)"),
    ("consumer/pool.py", BasePool, "register_with_event_loop", "(self, loop)"),
    ("consumer/pool.py", BasePool, "on_stop", "(self)"),
    ("consumer/pool.py", BasePool, "on_terminate", "(self)"),
    ("consumer/pool.py", BasePool, "_get_info", "(self) -> Dict[str, Any]"),
    ("consumer/foreign_request.py", Request, "send_event", "(self, type, **fields)"),
    ("consumer/foreign_request.py", Request, "maybe_expire", "(self)"),
    ("consumer/transport.py", virtual.QoS, "__init__", "(self, channel, prefetch_count=0)"),
    ("consumer/transport.py", virtual.QoS, "can_consume", "(self)"),
    ("consumer/transport.py", virtual.QoS, "append", "(self, message, delivery_tag)"),
    ("consumer/transport.py", virtual.QoS, "ack", "(self, delivery_tag)"),
    ("consumer/transport.py", virtual.QoS, "reject", "(self, delivery_tag, requeue=False)"),
    ("consumer/transport.py", virtual.QoS, "restore_unacked_once", "(self, stderr=None)"),
    ("consumer/transport.py", virtual.QoS, "restore_visible", "(self, *args, **kwargs)"),
    ("consumer/transport.py", virtual.Transport, "_deliver", "(self, message, queue)"),
    ("consumer/transport.py", kombu_redis.Channel, "_brpop_start", "(self, timeout=None)"),
    ("consumer/transport.py", kombu_redis.Channel, "_brpop_read", "(self, **options)"),
    ("consumer/transport.py", kombu_redis.Channel, "_get_pool", "(self, asynchronous=False)"),
    ("consumer/transport.py", kombu_redis.Channel, "conn_or_acquire", "(self, client=None)"),
    ("consumer/transport.py", kombu_redis.Channel, "_create_client", "(self, asynchronous=False)"),
    ("consumer/transport.py", kombu_redis.Channel, "_on_connection_disconnect", "(self, connection)"),
    ("consumer/transport.py", kombu_redis.MultiChannelPoller, "on_poll_start", "(self)"),
    ("consumer/consumer.py", Hub, "call_later", "(self, delay, callback, *args)"),
    ("consumer/loop.py", Hub, "call_soon", "(self, callback, *args)"),
    ("consumer/transport.py", kombu_redis.Transport, "register_with_event_loop", "(self, connection, loop)"),
    ("consumer/signal_bell.py", Hub, "add_reader", "(self, fds, callback, *args)"),
    ("consumer/transport.py", Hub, "add_reader", "(self, fds, callback, *args)"),
    (
        "consumer/transport.py",
        AbstractConnection,
        "send_packed_command",
        "(self, command, check_health=True)",
    ),
    (
        "../athena/store/link.py",
        AbstractConnection,
        "send_packed_command",
        "(self, command, check_health=True)",
    ),
    ("../athena/store/link.py", ConnectionPool, "make_connection", "(self) -> 'ConnectionInterface'"),
]

#: file of ours, owner or an instance, names that it must have
ATTRIBUTES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("consumer/consumer.py", Consumer, ("first_connection_attempt",)),
    ("consumer/pool.py", BasePool, ("signal_safe", "RUN", "_get_info")),
    (
        "consumer/foreign_request.py",
        Request,
        ("name", "id", "_app", "_argsrepr", "_kwargsrepr", "_eventer", "info", "terminate"),
    ),
    (
        "consumer/task_events.py",
        state,
        ("revoked", "total_count", "all_total_count", "requests", "reserved_requests"),
    ),
    ("consumer/task_events.py", signals.task_received, ("receivers", "send")),
    ("consumer/transport.py", kombu_redis.Channel, ("QoS", "Message", "_in_poll", "_brpop_sent_at")),
    ("consumer/transport.py", kombu_redis.Transport, ("Channel", "cycle", "connection_errors")),
    ("consumer/transport.py", kombu_redis.Channel, ("keyprefix_fanout", "health_check_interval")),
    ("consumer/transport.py", CHANNEL, ("_active_queues",)),
    ("consumer/transport.py", CHANNEL.qos, ("_on_collect",)),
    ("consumer/transport.py", POLLER, ("_channels",)),
    ("consumer/transport.py", kombu.transport, ("TRANSPORT_ALIASES",)),
    ("consumer/loop.py", WorkController, ("exitcode",)),
    ("consumer/loop.py", signals, ("setup_logging", "worker_ready")),
]

#: Private names in these files that are our own.
OWN = {"_is_shown", "_introduce", "_job_ids", "_on_retry", "_session", "_deliver", "_waits_for_bell"}
OWN |= {"_address", "_hear_or_break", "_registered", "_accept", "_flush_is_due", "_flush_gathered", "_loop"}
OWN |= {"_jobs_per_s", "_left", "_refilled_s", "_takes_at_bell", "_read_taken", "_read_rung"}
OWN |= {"_publisher", "_drain"}


@pytest.mark.parametrize(("file", "owner", "name", "signature"), METHODS)
def test_method_has_the_signature_that_we_override_or_call(
    file: str, owner: Any, name: str, signature: str
) -> None:
    method = getattr(owner, name, None)

    assert method is not None, f"workers/{file}: {owner}.{name} is gone"
    found = re.sub(r"<function (\w+) at 0x\w+>", r"\1", str(inspect.signature(method)))
    assert found == signature, f"workers/{file}: {owner}.{name} is {found} now"


@pytest.mark.parametrize(("file", "owner", "names"), ATTRIBUTES)
def test_attribute_is_there(file: str, owner: Any, names: tuple[str, ...]) -> None:
    missing = [name for name in names if not hasattr(owner, name)]

    assert not missing, f"workers/{file}: {owner} has no {', '.join(missing)} any more"


@pytest.mark.parametrize(
    "file",
    [
        "celery_app.py",
        "consumer/consumer.py",
        "consumer/pool.py",
        "consumer/foreign_request.py",
        "consumer/transport.py",
    ],
)
def test_every_private_name_that_a_file_uses_is_known_here(file: str) -> None:
    tree = ast.parse((WORKERS / file).read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    private = {name for name in used if name.startswith("_") and not name.startswith("__")}

    known = {row[2] for row in METHODS} | {name for row in ATTRIBUTES for name in row[2]}

    assert private <= known | OWN, f"workers/{file} uses private names that no test looks at"


#: What holds requests in Celery's worker, and what looks them up there.
REQUEST_SETS = {"active_requests", "reserved_requests", "requests", "_find_requests_by_id", "task_ready"}
REQUEST_NAMES = {"request", "req", "r"}

#: What Celery does with some requests only: it asks first whether there are stamps; ours are never scheduled.
NOT_WITH_OURS = {"stamps", "_eta_timer_entry"}


def celery_worker_functions() -> Iterator[ast.AST]:
    """Functions of Celery's worker, but those of its own request class."""
    package = Path(celery.__file__).parent
    files = [*package.glob("worker/*.py"), *package.glob("worker/consumer/*.py"), package / "apps/worker.py"]
    for file in files:
        if file.name not in ("consumer/foreign_request.py", "strategy.py"):
            tree = ast.parse(file.read_text())
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_job_has_all_that_celery_asks_of_a_request() -> None:
    asked: set[str] = set()
    for function in celery_worker_functions():
        nodes = list(ast.walk(function))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        if not REQUEST_SETS.isdisjoint(names | {node.attr for node in attributes}):
            asked |= {
                node.attr
                for node in attributes
                if isinstance(node.value, ast.Name) and node.value.id in REQUEST_NAMES
            }

    missing = {name for name in asked if not hasattr(JobTask, name)} - NOT_WITH_OURS

    assert asked >= {"id", "name", "info", "task", "eventer", "acknowledged", "cancel", "terminate"}
    assert not missing, (
        f"workers/consumer/task_events.py: Celery asks a JobTask for {', '.join(sorted(missing))}"
    )


def test_job_takes_what_celery_notes_on_a_request() -> None:
    assert "__dict__" in JobTask.__slots__, "Celery sets attributes on requests, and its own have a __dict__"


def test_settings_are_known_to_celery() -> None:
    known = {name for name, _ in flatten(NAMESPACES)}
    ours = {name for name in vars(celery_app._LazyConfig) if not name.startswith("_")}
    ours |= {"worker_pool", "worker_consumer", "worker_concurrency", "task_create_missing_queues"}

    assert ours <= known, "workers/celery_app.py, workers/consumer/loop.py"
