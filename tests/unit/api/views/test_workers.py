"""What `/v1/workers` and `/metrics` show of a fleet that Redis tells of in several ways."""

import asyncio
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.gateway.gateway import Gateway
from api.views.metrics import Metrics
from api.views.workers import Workers
from athena.devices.inventory import Inventory
from athena.fleet.host_report import STALE_AFTER_S, HostReport, WorkerStatus
from athena.fleet.view import FleetView
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.steps import Steps, run_steps
from athena.protocol.interface import Interface, Limits
from athena.store.keys import ABILITIES, BEATS, HOSTS, WORKERS
from athena.store.scripts import SURVEY, Command

OCR = Interface("ocr", "v1", "", (), (), (), ("T4G16",), True, Limits())


def entry(incarnation: str, name: str = "ocr.0@host", gpu_type: str = "T4G16") -> WorkerEntry:
    return WorkerEntry(incarnation, name, "ocr", "v1", gpu_type, 4)


def report(age_s: float, *workers: tuple[str, str]) -> bytes:
    """Returns what a supervisor told of workers, each a name and a state."""
    told_ms = int((time.time() - age_s) * 1000)
    statuses = tuple(WorkerStatus(name, "ocr", "T4G16", "GPU-1", state) for name, state in workers)
    return HostReport("host", told_ms, told_ms, Inventory(), (), statuses).encode()


class Site:
    """A gateway whose Redis holds what a test puts there."""

    def __init__(self, **hosts: bytes) -> None:
        self.fleet = FleetView(60, time.monotonic())
        self.fleet.learn(OCR)
        self._hashes: dict[str, Mapping[bytes, bytes]] = {
            ABILITIES: {b"ocr": OCR.encode()},
            HOSTS: {name.encode(): document for name, document in hosts.items()},
        }
        canaries = SimpleNamespace(reports={})
        gateway = SimpleNamespace(
            watch=SimpleNamespace(fleet=self.fleet, redis_info={}),
            operate=self._operate,
            canaries=canaries,
            splits={},
        )
        self._view = Workers(cast(Gateway, gateway))
        self._metrics = Metrics(cast(Gateway, gateway))

    def beat(self, now_s: float, *workers: tuple[WorkerEntry, int]) -> None:
        """Lets the gateway see workers, each with its counter."""
        self._hashes[WORKERS] = {worker.incarnation.encode(): worker.encode() for worker, _ in workers}
        self._hashes[BEATS] = {worker.incarnation.encode(): b"%d" % beat for worker, beat in workers}
        self.fleet.observe(now_s, self._hashes[WORKERS], self._hashes[BEATS])

    def states(self) -> dict[str, str]:
        """Returns the state of each worker by its name."""
        return {worker["name"]: worker["state"] for worker in self.workers()}

    def workers(self) -> list[dict[str, Any]]:
        """Returns what is told of each worker."""
        document = orjson.loads(asyncio.run(self._view.index()).data)
        listed: list[dict[str, Any]] = document["workers"]
        return listed

    def samples(self, metric: str) -> list[tuple[dict[str, str], float]]:
        """Returns the labels and values of a metric."""
        text = asyncio.run(self._metrics.show()).get_data(as_text=True)
        families = {family.name: family for family in text_string_to_metric_families(text)}
        return [(sample.labels, sample.value) for sample in families[metric].samples]

    async def _operate(self, steps: Steps[Any]) -> Any:
        return run_steps(steps, self._answer)

    def _answer(self, command: Command) -> Any:
        if command[0] == "HGETALL":
            return [item for pair in self._hashes.get(str(command[1]), {}).items() for item in pair]
        if command[0] == "HMGET":
            return [None] * (len(command) - 2)
        if command[:2] == ("EVALSHA", SURVEY.sha):
            return [0, *([b"", b"", 0, 0, 0, 0] for _ in command[3:])]
        if command[0] == "TIME":
            return [b"1", b"0"]
        return [] if command[0] == "SMEMBERS" else 0


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_last_word_of_a_living_supervisor_counts(names: tuple[str, str]) -> None:
    site = Site(
        **{
            names[0]: report(1, ("ocr.0@host", "serving")),
            names[1]: report(5, ("ocr.0@host", "loading"), ("ocr.1@host", "loading")),
            "dead": report(STALE_AFTER_S + 5, ("ocr.0@host", "loading"), ("ghost@host", "serving")),
        }
    )
    site.beat(time.monotonic(), (entry("w1"), 1))

    assert site.states() == {"ocr.0@host": "serving", "ocr.1@host": "loading"}
    loaded = {labels["worker"]: value for labels, value in site.samples("athena_worker_model_loaded")}
    assert loaded == {"ocr.0@host": 1, "ocr.1@host": 0, "ghost@host": 0}


@pytest.mark.parametrize(("old", "new"), [("w1", "w2"), ("w2", "w1")])
def test_successor_of_a_dead_worker_is_told_of_once(old: str, new: str) -> None:
    site, now_s = Site(), time.monotonic()
    site.beat(now_s - 2, (entry(old), 7))
    site.beat(now_s, (entry(old), 7), (entry(new, gpu_type="cpu"), 1))

    ((labels, value),) = site.samples("athena_worker_alive")

    assert (labels["gpu_type"], value) == ("cpu", 1)


def test_workers_of_a_silent_host_are_told_of_as_lost_and_expected() -> None:
    site = Site(
        gone=report(STALE_AFTER_S + 5, ("ocr.0@gone", "serving"), ("ocr.1@gone", "drained")),
        here=report(1, ("ocr.0@host", "serving"), ("ocr.1@host", "down")),
    )
    site.beat(time.monotonic(), (entry("w1"), 1))

    states = {labels["worker"]: labels["state"] for labels, _ in site.samples("athena_worker_state")}
    alive = {labels["worker"]: value for labels, value in site.samples("athena_worker_alive")}

    assert states == {
        "ocr.0@host": "serving",
        "ocr.1@host": "down",
        "ocr.0@gone": "lost",
        "ocr.1@gone": "lost",
    }
    assert alive == {"ocr.0@host": 1, "ocr.1@host": 0, "ocr.0@gone": 0, "ocr.1@gone": 0}
    labels = {"service_id": "ocr", "gpu_type": "T4G16"}
    assert site.samples("athena_workers_expected") == [(labels, 3)]
    assert site.samples("athena_workers_serving") == [(labels, 1)]


def test_silent_worker_is_no_worker_that_serves() -> None:
    site, now_s = Site(), time.monotonic()
    site.beat(now_s - 7, (entry("w1"), 7))
    for ago_s in (6, 4, 2, 0):
        site.beat(now_s - ago_s, (entry("w1"), 7))

    ((labels, _),) = site.samples("athena_worker_state")

    assert labels["state"] == "silent"
    assert [value for _, value in site.samples("athena_workers_expected")] == [1]
    assert [value for _, value in site.samples("athena_workers_serving")] == [0]
    assert [value for _, value in site.samples("athena_load")] == [0]


def test_worker_that_gave_its_batches_up_is_told_of() -> None:
    told_ms, reason = int(time.time() * 1000), "wrapperBatchExec returned 1 items for 2 jobs"
    status = WorkerStatus("ocr.0@host", "ocr", "T4G16", "GPU-1", "serving", reason)
    site = Site(host=HostReport("host", told_ms, told_ms, Inventory(), (), (status,)).encode())
    site.beat(time.monotonic(), (entry("w1"), 1), (entry("w2", "ocr.1@host"), 1))

    assert {item["name"]: item["unbatched"] for item in site.workers()} == {
        "ocr.0@host": reason,
        "ocr.1@host": None,
    }
    unbatched = {labels["worker"]: value for labels, value in site.samples("athena_worker_unbatched")}
    assert unbatched == {"ocr.0@host": 1, "ocr.1@host": 0}


def test_ability_that_nobody_serves_is_told_of_with_zeros() -> None:
    site = Site()

    for metric in ("athena_workers_expected", "athena_workers_serving", "athena_load"):
        assert site.samples(metric) == [({"service_id": "ocr", "gpu_type": ""}, 0)]


def test_entries_that_cannot_be_read_hide_no_others() -> None:
    site = Site(nonsense=b"{}", good=report(1, ("ocr.1@host", "loading")))
    site.beat(time.monotonic(), (entry("w1"), 1))
    site._hashes[WORKERS] = {**site._hashes[WORKERS], b"x": b"{}"}

    assert site.states() == {"ocr.0@host": "serving", "ocr.1@host": "loading"}
    assert site.samples("athena_worker_alive")


def test_ability_that_never_loaded_is_expected_and_served_by_nobody() -> None:
    site = Site(h=report(1, ("ocr.0@host", "down")).replace(b'"ocr"', b'"legal"'))

    for metric, value in (("athena_workers_expected", 1), ("athena_workers_serving", 0)):
        told = {labels["service_id"]: found for labels, found in site.samples(metric)}
        assert told["legal"] == value
