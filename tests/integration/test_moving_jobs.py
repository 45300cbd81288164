"""Jobs whose target has lost its last worker, and the names of queues that nobody knows beforehand."""

import pytest

from athena.keys import bell_key
from athena.routing import Rerouting
from athena.store import sweep_command

from .conftest import ANY_QUEUE, Store

T4, LOST = "GPU-11111111", "GPU-22222222"
MOVES = Rerouting(frozenset({"any", "T4G16", T4}), {LOST: "T4G16", "GPU-3": "V100G32"}, "T4G16")


def sweep(store: Store, moves: Rerouting = MOVES) -> None:
    store.run(sweep_command("echo", [ANY_QUEUE], 60, 60, False, moves))


@pytest.mark.parametrize(
    ("queue", "after"),
    [
        ("echo.V100G32", "echo.T4G16"),
        ("echo.V100G32.high", "echo.T4G16.high"),
        ("echo.V100G32.low", "echo.T4G16.low"),
        ("echo.cpu", "echo.T4G16"),
        (f"echo.{LOST}", "echo.T4G16"),
        ("echo.GPU-3", "echo.T4G16"),
        ("echo.GPU-unknown", "echo.T4G16"),
        ("echo.T4G16", "echo.T4G16"),
        ("echo.T4G16.low", "echo.T4G16.low"),
        (f"echo.{T4}", f"echo.{T4}"),
        ("echo.any", "echo.any"),
        ("echo.any.high", "echo.any.high"),
    ],
)
def test_job_moves_if_nobody_takes_it_where_it_is(store: Store, queue: str, after: str) -> None:
    store.submit("j1", queue=queue)

    sweep(store)

    assert store.queued(after) == ["j1"]
    record = store.record("j1")
    assert (record.queue, record.position) == (after, 1)
    assert store.raw("LLEN", bell_key(after)) == 1
    assert after == queue or not store.exists(queue)


def test_order_is_kept_and_twice_is_as_once(store: Store) -> None:
    for number in range(5):
        store.submit(f"old{number}", queue="echo.V100G32")
    store.submit("there", queue="echo.T4G16")

    sweep(store)
    sweep(store)

    assert store.queued("echo.T4G16") == ["there", *(f"old{number}" for number in range(5))]


def test_nothing_moves_where_there_is_nowhere_to_go(store: Store) -> None:
    store.submit("j1", queue="echo.V100G32")

    sweep(store, Rerouting(frozenset({"any"}), {}, ""))

    assert store.queued("echo.V100G32") == ["j1"]


def test_paused_queue_keeps_its_jobs(store: Store) -> None:
    store.submit("j1", queue="echo.V100G32")
    store.raw("HSET", "athena:line:echo.V100G32", "paused", 1)

    sweep(store)

    assert store.queued("echo.V100G32") == ["j1"]


def test_queue_registers_itself_when_it_gets_its_first_job(store: Store) -> None:
    store.submit("j1", queue="echo.any.low")
    store.submit("j2", queue=f"echo.{T4}")

    assert set(store.raw("SMEMBERS", "athena:queues:echo")) == {b"echo.any.low", f"echo.{T4}".encode()}
