"""Scheduling hints: which queue a request goes to."""

from typing import Any

import pytest

from athena.errors import UnservedError
from athena.fleet.routing import Hints, rerouting, route
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.queues import QueueName, queue_name
from athena.protocol.interface import Interface, Limits


def interface(*types: str, fallback: bool = True) -> Interface:
    return Interface("ocr", "v1", "", (), (), (), types or ("A100G80", "T4G16", "cpu"), fallback, Limits())


def worker(gpu_type: str, gpu_id: str = "", label: str = "", host: str = "h1") -> WorkerEntry:
    return WorkerEntry(gpu_id or gpu_type, "", "ocr", "v1", gpu_type, 4, gpu_id, label, host)


FLEET = [
    worker("T4G16", "GPU-b", "1"),
    worker("T4G16", "GPU-a", "0", "h2"),
    worker("T4G16", "GPU-c", "10"),
    worker("A100MIG3G40", "MIG-x", "2m0"),
    worker("cpu"),
]


def test_type_that_lives_is_the_queue() -> None:
    assert route(interface(), FLEET, Hints("T4G16")).queue == "ocr.T4G16"


@pytest.mark.parametrize("gpu_type", ["", "any"])
def test_no_wish_is_the_queue_of_all(gpu_type: str) -> None:
    assert route(interface(), FLEET, Hints(gpu_type)).queue == "ocr.any"
    assert route(interface(fallback=False), FLEET, Hints(gpu_type)).queue == "ocr.any"


def test_type_that_does_not_live_falls_back_in_the_order_of_the_ability() -> None:
    assert route(interface(), FLEET, Hints("H100G80")).queue == "ocr.T4G16"
    assert route(interface("cpu", "T4G16"), FLEET, Hints("H100G80")).queue == "ocr.cpu"
    assert route(interface("H100G80"), FLEET, Hints("H100G80")).queue == "ocr.any"


def test_ability_without_fallback_names_the_types_that_live() -> None:
    with pytest.raises(UnservedError, match=r"no worker of type A100G80.*alive: A100MIG3G40, T4G16, cpu"):
        route(interface(fallback=False), FLEET, Hints("A100G80"))


@pytest.mark.parametrize(
    ("hints", "queue"),
    [
        (Hints(gpu_id="first"), "ocr.any"),
        (Hints("T4G16", "any"), "ocr.T4G16"),
        (Hints(gpu_id="GPU-b"), "ocr.GPU-b"),
        (Hints("T4G16", "gpu-B"), "ocr.GPU-b"),
        (Hints("T4G16", "0"), "ocr.GPU-b"),
        (Hints("T4G16", "1"), "ocr.GPU-c"),
        (Hints("T4G16", "2"), "ocr.GPU-a"),
        (Hints(gpu_id="1"), "ocr.MIG-x"),
        (Hints(gpu_id="MIG-x"), "ocr.MIG-x"),
        # Nothing there: the type, or whatever lives.
        (Hints("T4G16", "3"), "ocr.T4G16"),
        (Hints("T4G16", "99999999999999999999"), "ocr.T4G16"),
        (Hints("T4G16", "MIG-x"), "ocr.T4G16"),
        (Hints("", "GPU-zz"), "ocr.any"),
        (Hints("", "-1"), "ocr.any"),
        (Hints("cpu", "0"), "ocr.cpu"),
    ],
)
def test_gpu_id_pins(hints: Hints, queue: str) -> None:
    assert route(interface(), FLEET, hints).queue == queue


def test_pin_to_nothing_is_refused_where_nothing_else_is_allowed() -> None:
    with pytest.raises(UnservedError, match=r"no worker on GPU 7 of type T4G16.*alive: GPU-b, GPU-c, GPU-a"):
        route(interface(fallback=False), FLEET, Hints("T4G16", "7"))


@pytest.mark.parametrize("gpu_type", ["A100G80", "a100g80"])
def test_wish_outlives_an_absence_of_all_workers(gpu_type: str) -> None:
    assert route(interface(), [], Hints(gpu_type)).queue == "ocr.A100G80"
    assert route(interface(), [], Hints("V100G32")).queue == "ocr.any"


@pytest.mark.parametrize(
    ("gpu_type", "gpu_id", "queue"),
    [
        ("t4g16", "", "ocr.T4G16"),
        ("CPU", "", "ocr.cpu"),
        # Declared and not alive, and alive and not declared.
        ("a100G80", "", "ocr.T4G16"),
        ("a100mig3g40", "", "ocr.A100MIG3G40"),
        ("ANY", "", "ocr.any"),
        ("", "FIRST", "ocr.any"),
        ("t4g16", "Any", "ocr.T4G16"),
        ("t4g16", "1", "ocr.GPU-c"),
    ],
)
def test_case_of_letters_does_not_matter(gpu_type: str, gpu_id: str, queue: str) -> None:
    assert route(interface(fallback=gpu_type != "t4g16"), FLEET, Hints(gpu_type, gpu_id)).queue == queue


@pytest.mark.parametrize(
    ("hints", "home"),
    [
        (Hints("t4g16", "GPU-b"), "T4G16"),
        (Hints("", "GPU-b"), "any"),
        (Hints("any", "0"), "any"),
        (Hints("T4G16"), ""),
        (Hints("T4G16", "GPU-unknown"), ""),
    ],
)
def test_pinned_job_remembers_where_it_goes_without_its_pin(hints: Hints, home: str) -> None:
    assert route(interface(), FLEET, hints).home == home


def test_lane_is_part_of_the_name_but_not_of_a_single_gpus() -> None:
    assert route(interface(), FLEET, Hints("T4G16", lane="high")).queue == "ocr.T4G16.high"
    assert route(interface(), FLEET, Hints(lane="low")).queue == "ocr.any.low"
    assert route(interface(), FLEET, Hints(lane="normal")).queue == "ocr.any"
    assert route(interface(), FLEET, Hints(gpu_id="GPU-a", lane="high")).queue == "ocr.GPU-a"


def test_hints_are_read_from_a_request() -> None:
    params = {"gpu_type": "A10", "gpu_id": "2"}

    assert Hints.of(params, {"priority": "low"}, {"A10": "A10G24"}) == Hints("A10G24", "2", "low")
    assert Hints.of({}, {"priority": None}, {}) == Hints()
    assert Hints.of({"gpu_type": " a10 ", "gpu_id": " 2 "}, {}, {"A10": "A10G24"}) == Hints("A10G24", "2")


@pytest.mark.parametrize("lane", ["high", "normal", "low"])
@pytest.mark.parametrize("target", ["any", "T4G16", "cpu"])
def test_name_is_read_as_it_was_written(target: str, lane: str) -> None:
    name = queue_name("ocr", target, lane)

    assert QueueName.parse(name) == QueueName("ocr", target, lane)
    assert str(QueueName.parse(name)) == name


def test_jobs_move_by_the_rule_for_requests() -> None:
    moves = rerouting(interface("H100G80", "T4G16"), FLEET, {"V100G32", "GPU-v"})

    assert moves.target == "T4G16"
    types, gpus = {"any", "T4G16", "A100MIG3G40", "cpu"}, {"GPU-a", "GPU-b", "GPU-c", "MIG-x"}
    assert moves.live == types | gpus | {"V100G32", "GPU-v"}


@pytest.mark.parametrize(("known", "alive"), [(interface(fallback=False), FLEET), (interface(), list[Any]())])
def test_jobs_stay_where_nothing_else_is_allowed_or_alive(known: Interface, alive: list[WorkerEntry]) -> None:
    assert rerouting(known, alive).target == ""
