"""A worker is replaced: it serves until its successor does. Real processes, scripts in place of workers."""

import signal
from pathlib import Path

import pytest

from athena.fleet.worker_orders import ORDER_DRAIN
from athena.store.fencing import Beat
from athena.supervisor import host_workers
from athena.supervisor.worker_child import WorkerChild
from tests.integration.processes.host_stage import Stage, folder, host


def the_worker(stage: Stage) -> WorkerChild:
    (child,) = stage.host.children
    return child


def restarted(stage: Stage) -> WorkerChild:
    """Returns the worker that was told to restart; its successor loads."""
    child = the_worker(stage)
    assert child.restart()
    assert child.successor is not None and not child.is_leaving
    return child


def test_worker_serves_until_its_successor_does(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    before, slow, busy = stage.pids(), stage.mark("slow", "a.cpu.0"), stage.mark("busy", "a.cpu.0")

    old = restarted(stage)
    stage.until("it loads", lambda: old.successor is not None and old.successor.is_running)
    stage.until_read_once()
    assert (stage.pids(), stage.states(), old.is_ready) == (before, [("a.cpu.0", "serving")], True)

    slow.unlink()
    stage.until("it takes over", lambda: the_worker(stage) is not old)
    assert the_worker(stage).is_ready and old.is_leaving
    stage.until("both are told of", lambda: len(stage.keeper.report.workers) == 2)
    # The last word on the name is that of the one which serves.
    assert [worker.state for worker in stage.keeper.report.workers] == ["stopping", "serving"]
    busy.unlink()
    stage.until("the old one is gone", lambda: not old.is_running)
    stage.until_states("a.cpu.0 serving")
    assert stage.pids().keys() == before.keys() and stage.pids() != before
    assert the_worker(stage).restart() and the_worker(stage).successor is not None


@pytest.mark.parametrize(("mark", "reason"), [("bad", "no model"), ("ended", "exit status 5")])
def test_worker_whose_successor_does_not_start_serves_on(
    stage: Stage, tmp_path: Path, mark: str, reason: str
) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    before, marked = stage.pids(), stage.mark(mark, "a.cpu.0")

    old = restarted(stage)
    stage.until("it is given up", lambda: old.successor is None)

    assert (the_worker(stage), stage.pids(), old.is_leaving) == (old, before, False)
    assert reason in old.refusal and reason in stage.keeper.failures["a"]
    assert [line for line in stage.said if "serves on as before" in line and reason in line]
    stage.until_states("a.cpu.0 serving")
    # It is not tried again by itself.
    stage.until_read_once()
    assert old.successor is None

    marked.unlink()
    restarted(stage)
    stage.until("it takes over", lambda: the_worker(stage) is not old)
    assert stage.keeper.failures == {}


def test_last_word_counts_when_a_worker_is_told_to_restart_while_its_successor_loads(
    stage: Stage, tmp_path: Path
) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    slow = stage.mark("slow", "a.cpu.0")
    old = restarted(stage)
    stage.until("it loads", lambda: old.successor is not None and old.successor.is_running)
    first = old.successor
    slow.unlink()

    restarted(stage)
    assert old.successor is not first
    stage.until("it takes over", lambda: the_worker(stage) is not old)

    assert the_worker(stage) is not first
    assert first is not None
    stage.until("the first one is gone", lambda: not first.is_running)


def test_successor_of_a_worker_that_dies_is_waited_for_alone(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    slow = stage.mark("slow", "a.cpu.0")
    old = restarted(stage)
    stage.until("it loads", lambda: old.successor is not None and old.successor.is_running)

    old.signal(signal.SIGKILL)
    stage.until("it has the place", lambda: the_worker(stage) is not old)
    stage.until_states("a.cpu.0 loading")
    slow.unlink()
    stage.until_states("a.cpu.0 serving")

    assert not old.is_running and not old.is_wanted


def test_successor_of_a_worker_that_is_drained_goes(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    stage.mark("slow", "a.cpu.0")
    old = restarted(stage)
    successor = old.successor
    assert successor is not None
    stage.until("it loads", lambda: successor.is_running)

    old.drain()

    stage.until("both are gone", lambda: not old.is_running and not successor.is_running)
    stage.until_states("a.cpu.0 drained")


def test_orders_to_a_name_are_not_those_of_the_successor(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    stage.mark("slow", "a.cpu.0")
    successor = restarted(stage).successor
    assert isinstance(successor, WorkerChild)
    stage.until("it loads", lambda: successor.is_running)

    successor.on_beat(Beat(False, frozenset()), ORDER_DRAIN)
    assert successor.is_wanted and not successor.is_leaving

    successor.succeed()
    successor.on_beat(Beat(False, frozenset()), ORDER_DRAIN)
    assert successor.is_leaving


def test_sighup_counts_those_that_serve_on_and_passes_successors_by(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a"), folder(tmp_path / "b"))
    before = stage.pids()
    stage.mark("bad", "a.cpu.0")

    stage.sighup()
    stage.sighup()
    stage.until("all were replaced", lambda: any("all processes" in line for line in stage.told))

    after = stage.pids()
    assert after["a.cpu.0"] == before["a.cpu.0"] and after["b.cpu.0"] != before["b.cpu.0"]
    assert "all processes were replaced but 1, which go on as before; the log says why" in stage.told


def test_worker_ends_first_where_memory_is_short(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_workers, "spare_memory_bytes", lambda: 1 << 20)
    stage.play(host(0), folder(tmp_path / "a"))
    child = the_worker(stage)

    assert child.restart()

    assert child.is_leaving and child.successor is None
    assert [line for line in stage.said if "1 MiB of memory are left" in line]
    stage.until_states("a.cpu.0 serving")


@pytest.mark.parametrize(("memory_mb", "fits"), [(0, False), (8000, True), (8001, False)])
def test_successor_on_a_gpu_needs_memory_that_is_free(
    stage: Stage, tmp_path: Path, memory_mb: int, fits: bool
) -> None:
    stage.play(
        host(1, memory_free_mib=15000),
        folder(tmp_path / "a", f'[gpu]\ntypes = ["T4G16"]\nmemory_mb = {memory_mb}\n'),
    )
    stage.tell(host(1, memory_free_mib=8000))
    stage.until_read()
    child = the_worker(stage)

    assert child.restart()

    assert (child.successor is not None, child.is_leaving) == (fits, not fits)


# after an edit


def edit(stage: Stage, tmp_path: Path) -> None:
    stage.host.on_edits([tmp_path / "a" / "wrapper.py"])


def test_workers_of_an_edited_ability_are_replaced_one_after_the_other(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a", "[worker]\ncpu_workers = 2\n"), folder(tmp_path / "b"))
    before, slow = stage.pids(), stage.mark("slow", "a.cpu.1")
    first, second = (child for child in stage.host.children if child.ability.service_id == "a")

    edit(stage, tmp_path)
    stage.until("the first one is replaced", lambda: not first.is_wanted)
    stage.until("the second one is", lambda: second.successor is not None)
    slow.unlink()
    stage.until("both are", lambda: not second.is_wanted and not second.is_running)

    after = stage.pids()
    assert {name for name in before if before[name] != after[name]} == {"a.cpu.0", "a.cpu.1"}
    assert "a was edited (wrapper.py)" in stage.said


def test_process_that_was_started_before_the_edit_does_not_stay(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    slow = stage.mark("slow", "a.cpu.0")
    old = the_worker(stage)
    edit(stage, tmp_path)
    stage.until("it loads", lambda: old.successor is not None and old.successor.is_running)
    stale = old.successor
    assert stale is not None
    slow.unlink()

    # Both at once: the one takes the place, and its file is edited again.
    stage.until("it is ready", lambda: stale.is_ready)
    edit(stage, tmp_path)

    stage.until("another one serves", lambda: the_worker(stage) not in (old, stale))
    stage.until("both are gone", lambda: not old.is_running and not stale.is_running)


def test_what_one_worker_cannot_load_the_others_need_not_try(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a", "[worker]\ncpu_workers = 2\n"))
    before = stage.pids()
    marks = [stage.mark("bad", "a.cpu.0"), stage.mark("bad", "a.cpu.1")]

    edit(stage, tmp_path)
    stage.until("it was tried", lambda: any("serves on as before" in line for line in stage.said))
    stage.until_read_once()

    assert stage.pids() == before
    assert sum("serves on as before" in line for line in stage.said) == 1
    for mark in marks:
        mark.unlink()
    edit(stage, tmp_path)
    stage.until("both are replaced", lambda: not set(stage.pids().values()) & set(before.values()))


def test_worker_that_is_down_is_started_when_its_file_is_mended(stage: Stage, tmp_path: Path) -> None:
    stage.play(host(0), folder(tmp_path / "a"))
    child, bad = the_worker(stage), stage.mark("bad", "a.cpu.0")
    child.signal(signal.SIGKILL)
    stage.until("it waits for long", lambda: child.failures > 3 and not child.is_running)
    bad.unlink()
    assert not child.is_due(child.restart_at_s - 0.1)

    edit(stage, tmp_path)

    stage.until("it serves", lambda: child.is_ready)
