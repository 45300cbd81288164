"""A picture of `athena top`, as text."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from athena.cli.observe.frame import MOST_ROWS, draw
from athena.cli.observe.scene import Scene
from athena.devices.inventory import Gpu, Inventory
from athena.fleet.gateway_report import GatewayReport
from athena.jobs.record import JobRecord
from athena.operations.overview import Overview
from athena.store.books.counts import Queue
from tests.unit.operations.test_rates import HOST, NOW_S, WORKER, survey

GPU = Gpu(
    0,
    "GPU-0",
    "Tesla T4 [rev a]",
    memory_total_mib=15360,
    memory_free_mib=15000,
    utilization=0.42,
    power_w=61.5,
)
INFO = {"used_memory": "1048576", "maxmemory": "2097152", "instantaneous_ops_per_sec": "321"}
GATEWAY = GatewayReport("10.0.0.1:30889", "1.2.3", True, 0.003, 7, 12, 0, 2**29)
BEFORE = Overview(
    NOW_S - 2,
    INFO,
    ((GATEWAY, True), (replace(GATEWAY, address="10.0.0.2:30889"), False)),
    1,
    (survey({}),),
    (WORKER,),
    (),
    (HOST,),
)
NOW = replace(
    BEFORE,
    at_s=NOW_S,
    surveys=(survey({("succeeded", "cpu"): 8, ("failed", "cpu"): 2}, {50.0: 10}),),
    hosts=(replace(HOST, inventory=Inventory(gpus=(GPU, replace(GPU, index=1, problem="lost")))),),
)
FAILED = JobRecord.decode(
    "4d70aff9",
    {
        b"service_id": b"ocr",
        b"state": b"failed",
        b"code": b"10909",
        b"message": b"ValueError: \x1b[2Jno page",
        b"finished_ms": str(int(NOW_S * 1000) - 65_000).encode(),
    },
)


def drawn(scene: Scene, width: int = 130) -> str:
    output = io.StringIO()
    Console(file=output, width=width, color_system=None).print(draw(scene))
    return output.getvalue()


@pytest.fixture
def scene() -> Scene:
    scene = Scene("redis://queue:6379/0", "1.2.3", troubles=[FAILED])
    scene.take_in(BEFORE)
    scene.take_in(NOW)
    return scene


def row(text: str, begin: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(begin)]
    return line.split()


def test_picture_shows_all_of_it(scene: Scene) -> None:
    text = drawn(scene)

    assert text.startswith("athena 1.2.3  redis://queue:6379/0")
    assert (
        "Redis 1 of 2 MiB, 321 commands/s  1 gateway, 1 worker  5.0 jobs/s, 1.0 failed/s, 1 dead letter"
        in text
    )
    assert row(text, "ocr  ") == (
        ["ocr", "6", "9", "s", "3", "4", "2.25", "0.0", "5.0", "1.0", "≤50", "ms", "≤50", "ms", "2", "paused"]
    )
    assert row(text, "10.0.0.1:30889") == (
        ["10.0.0.1:30889", "1.2.3", "ready", "3", "ms", "7", "12", "0", "of", "512", "MiB"]
    )
    assert row(text, "10.0.0.2:30889")[2] == "silent"
    assert row(text, "ocr.any") == ["ocr.any", "5", "2", "s"]
    assert row(text, "ocr.cpu  ") == ["ocr.cpu", "1", "9", "s", "paused"]
    assert row(text, "ocr.cpu.0@host") == ["ocr.cpu.0@host", "ocr", "cpu", "3/4", "serving"]
    gpu, lost = [line.split() for line in text.splitlines() if "Tesla" in line]
    assert gpu == ["host", "0", "Tesla", "T4", "[rev", "a]", "42%", "360", "of", "15360", "MiB", "62"]
    assert lost[-1] == "lost"
    assert "1 min ago  4d70aff9" in text and "10909" in text


def test_what_a_wrapper_writes_cannot_steer_the_terminal(scene: Scene) -> None:
    assert "\x1b" not in drawn(scene)
    assert "ValueError:  [2Jno page" in drawn(scene)


def test_outage_is_shown_with_what_was_there_before(scene: Scene) -> None:
    scene.miss("Redis does not answer: refused", 100.0)
    scene.miss("Redis does not answer: refused", 107.0)

    text = drawn(scene, 200)
    assert "Redis has not answered for 7 s; what is below is older. Redis does not answer: refused" in text
    assert "ocr.cpu.0@host" in text

    scene.take_in(replace(NOW, at_s=NOW_S + 10))
    assert "has not answered" not in drawn(scene)


def test_redis_that_never_answered_is_shown() -> None:
    scene = Scene("redis://queue:6379/0", "1.2.3")
    scene.miss("Redis does not answer: refused", 100.0)

    assert "Redis has not answered for 0 s" in drawn(scene)


def test_jobs_without_a_worker_are_pointed_out(scene: Scene) -> None:
    queued = replace(NOW.surveys[0], queues=(Queue("ocr.any", 5, 2.5, False, 9),))
    scene.take_in(replace(NOW, workers=(), hosts=(), surveys=(queued,)))

    assert "0 workers" in drawn(scene)
    assert row(drawn(scene), "ocr  ")[-2:] == ["no", "worker"]


def test_many_rows_are_counted_and_those_that_need_a_look_come_first(scene: Scene) -> None:
    workers = [replace(WORKER, entry=replace(WORKER.entry, name=f"w{number:03}")) for number in range(99)]
    workers.append(replace(WORKER, entry=replace(WORKER.entry, name="w999"), order="drain"))
    scene.take_in(replace(NOW, workers=tuple(workers), hosts=()))

    text = drawn(scene)
    assert f"… and {100 - MOST_ROWS} more" in text
    assert "w999" in text and "w099" not in text


def test_new_troubles_are_those_that_ended_since_the_last_look(scene: Scene) -> None:
    assert scene.has_new_troubles
    scene.take_in(replace(NOW, at_s=NOW_S + 2))
    assert not scene.has_new_troubles
