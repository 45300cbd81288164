"""Jobs whose target has lost its last worker, and the names of queues that nobody knows beforehand."""

import pytest

from athena.store.fencing import STAY, Rerouting, sweep_command
from athena.store.keys import bell_key
from athena.store.scripts import PURGE

from .conftest import ANY_QUEUE, Store

T4, LOST = "GPU-11111111", "GPU-22222222"
MOVES = Rerouting(frozenset({"any", "T4G16", "A100G80", T4}), "T4G16")


def sweep(store: Store, moves: Rerouting = MOVES) -> None:
    store.run(sweep_command("echo", [ANY_QUEUE], 60, 60, False, moves))


@pytest.mark.parametrize(
    ("queue", "after"),
    [
        ("echo.V100G32", "echo.T4G16"),
        ("echo.V100G32.high", "echo.T4G16.high"),
        ("echo.V100G32.low", "echo.T4G16.low"),
        ("echo.cpu", "echo.T4G16"),
        # Nobody asked for a type, so any will do.
        (f"echo.{LOST}", "echo.any"),
        ("echo.MIG-unknown", "echo.any"),
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


@pytest.mark.parametrize(
    ("home", "after"), [("A100G80", "echo.A100G80"), ("V100G32", "echo.T4G16"), ("any", "echo.any")]
)
def test_pinned_job_goes_where_a_new_request_without_the_pin_would_go(
    store: Store, home: str, after: str
) -> None:
    store.submit("j1", queue=f"echo.{LOST}", home=home)

    sweep(store)

    assert store.queued(after) == ["j1"]


@pytest.mark.parametrize("empty", [False, True])
def test_position_counts_from_the_jobs_that_are_still_there(store: Store, empty: bool) -> None:
    for number in range(5):
        store.submit(f"old{number}", queue="echo.V100G32")
    if empty:
        store.run(PURGE.call(("echo.V100G32",), (10, "gone")))
    else:
        sweep(store)

    store.submit("new", queue="echo.V100G32")

    assert store.record("new").position == 1


def test_empty_queue_of_a_gpu_that_is_gone_is_forgotten(store: Store) -> None:
    for target in (T4, LOST, "GPU-paused", "GPU-full"):
        store.submit(target, queue=f"echo.{target}")
        store.raw("LPOP", f"echo.{target}") if target != "GPU-full" else None
    store.raw("HSET", "athena:line:echo.GPU-paused", "paused", 1)

    sweep(store, STAY)
    before = store.raw("SCARD", "athena:queues:echo")
    # Without a target nothing moves, as where the ability allows no other type.
    sweep(store, Rerouting(MOVES.live))

    assert before == 4
    kept = {f"echo.{target}".encode() for target in (T4, "GPU-paused", "GPU-full")}
    assert set(store.raw("SMEMBERS", "athena:queues:echo")) == kept
    assert not store.exists(f"athena:line:echo.{LOST}")
    assert not store.exists(bell_key(f"echo.{LOST}"))


def test_order_is_kept_and_twice_is_as_once(store: Store) -> None:
    for number in range(5):
        store.submit(f"old{number}", queue="echo.V100G32")
    store.submit("there", queue="echo.T4G16")

    sweep(store)
    sweep(store)

    assert store.queued("echo.T4G16") == ["there", *(f"old{number}" for number in range(5))]


def test_nothing_moves_where_there_is_nowhere_to_go(store: Store) -> None:
    store.submit("j1", queue="echo.V100G32")

    sweep(store, Rerouting(frozenset({"any"})))

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
