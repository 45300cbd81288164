"""The plan of a host's workers."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.ability.manifest import ROUNDING, Ability, GpuOptions, WorkerOptions
from athena.devices.inventory import Gpu, Inventory, MigInstance, devices_of
from athena.supervisor.placement.capacity import Room, fitting
from athena.supervisor.placement.plan import Placement, Plan, make_plan

T4, A100, L40S = "Tesla T4", "NVIDIA A100-SXM4-80GB", "NVIDIA L40S"
MEMORY_MIB = {T4: 15360, A100: 81920, L40S: 46068}


def ability(name: str, *types: str, cpu_workers: int = 1, **options: Any) -> Ability:
    return Ability(
        Path("/abilities") / name,
        name,
        gpu=GpuOptions(types, **options),
        worker=WorkerOptions(cpu_workers=cpu_workers),
    )


def gpu(index: int, product: str, **changes: Any) -> Gpu:
    memory_mib = MEMORY_MIB[product]
    known = Gpu(index, f"GPU-{index}", product, memory_total_mib=memory_mib, memory_free_mib=memory_mib)
    return dataclasses.replace(known, **changes)


def host(*products: str) -> Inventory:
    return Inventory(driver="550", gpus=tuple(gpu(index, name) for index, name in enumerate(products)))


def without(inventory: Inventory, index: int) -> Inventory:
    """Returns the host once a GPU has turned bad."""
    gpus = (
        dataclasses.replace(item, problem="lost") if item.index == index else item for item in inventory.gpus
    )
    return dataclasses.replace(inventory, gpus=tuple(gpus))


def placed(plan: Plan) -> list[tuple[str, str]]:
    return [(worker.service_id, worker.name) for worker in plan.workers]


NO_DRIVER = Inventory("there is no NVIDIA driver")


def test_ability_gets_every_gpu_of_its_types() -> None:
    plan = make_plan(host(T4, A100, T4), [ability("ocr", "A100G80", "T4G16", "cpu")], 8)

    assert placed(plan) == [("ocr", "T4G16.0"), ("ocr", "A100G80.1"), ("ocr", "T4G16.2")]
    assert [worker.gpu_id for worker in plan.workers] == ["GPU-0", "GPU-1", "GPU-2"]
    assert (plan.refusals, plan.notes) == ((), ())


def test_cpu_is_for_those_who_get_no_gpu_or_name_it_first() -> None:
    abilities = [ability("ocr", "T4G16", "cpu"), ability("asr", "cpu", "T4G16"), ability("tts", "cpu")]

    assert placed(make_plan(host(T4), abilities, 8)) == [
        ("ocr", "T4G16.0"),
        ("asr", "T4G16.0"),
        ("asr", "cpu.0"),
        ("tts", "cpu.0"),
    ]
    assert placed(make_plan(NO_DRIVER, abilities, 8)) == [
        ("ocr", "cpu.0"),
        ("asr", "cpu.0"),
        ("tts", "cpu.0"),
    ]


def test_cores_are_divided_among_workers_on_the_cpu() -> None:
    plan = make_plan(NO_DRIVER, [ability("a", "cpu", cpu_workers=2), ability("b", "cpu")], 8)

    assert placed(plan) == [("a", "cpu.0"), ("a", "cpu.1"), ("b", "cpu.0")]
    assert {worker.threads for worker in plan.workers} == {2}
    assert {worker.threads for worker in make_plan(NO_DRIVER, [ability("a", "cpu")] * 9, 2).workers} == {1}


def test_memory_is_given_out_once() -> None:
    abilities = [
        ability("big", "T4G16", memory_mb=10_000),
        ability("small", "T4G16", memory_mb=5_000, workers_per_gpu=4),
    ]

    plan = make_plan(host(T4), abilities, 8)

    assert placed(plan) == [("big", "T4G16.0"), ("small", "T4G16.0")]
    assert [worker.memory_limit_mb for worker in plan.workers] == [10_000, 5_000]
    assert plan.notes == (
        "GPU 0 (T4G16) has 1 workers of small: 360 MiB of 15360 are free, a worker needs 5000",
    )


def test_memory_that_others_use_is_not_given_out() -> None:
    inventory = Inventory(driver="550", gpus=(gpu(0, T4, memory_free_mib=3000),))

    (refusal,) = make_plan(inventory, [ability("ocr", "T4G16", memory_mb=4000)], 8).refusals

    assert "GPU 0 (T4G16): 3000 MiB of 15360 are free, a worker needs 4000" in refusal.reason


def test_workers_of_one_ability_share_a_gpu() -> None:
    plan = make_plan(host(T4, T4), [ability("ocr", "T4G16", workers_per_gpu=2, share=0.5)], 8)

    assert placed(plan) == [
        ("ocr", "T4G16.0"),
        ("ocr", "T4G16.0-1"),
        ("ocr", "T4G16.1"),
        ("ocr", "T4G16.1-1"),
    ]
    assert {worker.memory_limit_mb for worker in plan.workers} == {7680}


def test_whole_claim_keeps_others_away() -> None:
    plan = make_plan(host(T4), [ability("alone", "T4G16", share=1.0), ability("other", "T4G16")], 8)

    assert placed(plan) == [("alone", "T4G16.0")]
    (refusal,) = plan.refusals
    assert refusal.reason == (
        "it needs a GPU of type T4G16, and none can take it: "
        "GPU 0 (T4G16): other workers have claimed it for themselves"
    )


def test_each_gets_one_before_any_gets_its_second() -> None:
    abilities = [ability("a", "T4G16", share=1.0), ability("b", "T4G16", share=1.0)]

    assert {name for name, _ in placed(make_plan(host(T4, T4), abilities, 8))} == {"a", "b"}


def test_who_has_the_least_choice_comes_first() -> None:
    abilities = [ability("any", "T4G16", "A100G80", share=1.0), ability("t4", "T4G16", share=1.0)]

    plan = make_plan(host(T4, A100), abilities, 8)

    assert sorted(placed(plan)) == [("any", "A100G80.1"), ("t4", "T4G16.0")]


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        (NO_DRIVER, "there is no NVIDIA driver"),
        (host(), "this host has no GPU"),
        (host(A100, A100), "this host has 2 x A100G80"),
        (
            Inventory(driver="550", gpus=(gpu(0, T4, problem="it has fallen off the bus"),)),
            "GPU 0 (T4G16): it has fallen off the bus",
        ),
    ],
)
def test_refusal_explains_itself(inventory: Inventory, expected: str) -> None:
    plan = make_plan(inventory, [ability("ocr", "T4G16")], 8)

    assert plan.workers == ()
    (refusal,) = plan.refusals
    assert refusal.reason.startswith("it needs a GPU of type T4G16")
    assert expected in refusal.reason


def test_bad_gpu_gets_no_worker_and_a_note() -> None:
    inventory = Inventory(driver="550", gpus=(gpu(0, T4), gpu(1, T4, problem="it must be reset")))

    plan = make_plan(inventory, [ability("ocr", "T4G16")], 8)

    assert placed(plan) == [("ocr", "T4G16.0")]
    assert plan.notes == ("GPU 1 (T4G16) is not used: it must be reset",)


def test_partitioned_gpu_is_used_by_its_instances() -> None:
    parts = (
        MigInstance(0, "MIG-a", "3g.40gb", 3, 40192, 40192),
        MigInstance(1, "MIG-b", "1g.10gb", 1, 9856, 9856),
    )
    inventory = Inventory(
        driver="550", gpus=(gpu(0, A100, mig=True, mig_instances=parts), gpu(1, A100, mig=True))
    )

    plan = make_plan(inventory, [ability("ocr", "A100MIG3G40", "A100G80")], 8)

    assert [(worker.name, worker.gpu_id) for worker in plan.workers] == [("A100MIG3G40.0m0", "MIG-a")]
    assert any(
        "GPU 1 (A100G80) is not used: it is partitioned (MIG) and has no instance" in note
        for note in plan.notes
    )


def test_operators_name_for_a_type_counts() -> None:
    assert placed(make_plan(host(T4), [ability("ocr", "small")], 8, {"T4G16": "small"})) == [
        ("ocr", "small.0")
    ]


@pytest.mark.parametrize("name", ["T4G16", "small"])
def test_type_may_be_named_by_its_alias_or_by_what_it_replaces(name: str) -> None:
    plan = make_plan(host(T4), [ability("ocr", name, "cpu")], 8, {"T4G16": "small"})

    assert placed(plan) == [("ocr", "small.0")]


@pytest.mark.parametrize(
    ("products", "abilities"),
    [
        # The large one comes last, and the small ones would take a GPU each.
        (
            (T4, T4),
            [ability(name, "T4G16", memory_mb=5000) for name in "ab"]
            + [ability("c", "T4G16", memory_mb=14000)],
        ),
        ((T4, T4), [ability(name, "T4G16", share=0.4) for name in "ab"] + [ability("c", "T4G16", share=1.0)]),
        ((T4, T4), [ability(name, "T4G16") for name in "ab"] + [ability("c", "T4G16", share=1.0)]),
        # Each has two types to choose from, and only one choice is right.
        (
            (T4, A100, L40S),
            [
                ability("c", "A100G80", "L40SG48", share=1.0),
                ability("a", "T4G16", "A100G80", share=1.0),
                ability("b", "T4G16", "A100G80", share=1.0),
            ],
        ),
        # Who can run on the CPU leaves the GPU to the other one.
        ((T4,), [ability("a", "T4G16", "cpu", share=1.0), ability("b", "T4G16", share=1.0)]),
    ],
)
def test_nobody_is_left_without_a_worker_if_there_is_a_way(
    products: tuple[str, ...], abilities: list[Ability]
) -> None:
    assert make_plan(host(*products), abilities, 8).refusals == ()


def test_memory_that_a_share_stands_for_is_given_out_once() -> None:
    abilities = [ability("half", "T4G16", share=0.5), ability("large", "T4G16", memory_mb=15_000)]

    assert placed(make_plan(host(T4), abilities, 8)) == [("half", "T4G16.0")]


def test_share_is_one_of_what_is_free() -> None:
    inventory = Inventory(driver="550", gpus=(gpu(0, T4, memory_free_mib=3000),))

    (worker,) = make_plan(inventory, [ability("ocr", "T4G16", share=1.0)], 8).workers

    assert worker.memory_limit_mb == 3000


def test_only_a_whole_claim_keeps_workers_away_that_claim_nothing() -> None:
    abilities = [ability("four", "T4G16", share=0.25, workers_per_gpu=4), ability("guest", "T4G16")]

    plan = make_plan(host(T4), abilities, 8)

    assert [worker.service_id for worker in plan.workers] == ["four"] * 4 + ["guest"]


def test_gpu_of_unknown_memory_takes_one_worker_that_needs_some() -> None:
    inventory = Inventory(driver="550", gpus=(gpu(0, T4, memory_total_mib=0, memory_free_mib=0),))
    abilities = [ability("ocr", "T4G16", memory_mb=99_999, workers_per_gpu=3), ability("asr", "T4G16")]

    plan = make_plan(inventory, abilities, 8)

    assert placed(plan) == [("ocr", "T4G16.0"), ("asr", "T4G16.0")]
    assert any("takes one worker that needs memory" in note for note in plan.notes)


def test_worker_on_a_gpu_has_its_share_of_the_cores_should_it_need_them() -> None:
    plan = make_plan(host(T4, T4), [ability("ocr", "T4G16", "cpu"), ability("asr", "cpu")], 12)

    assert [(worker.service_id, worker.threads) for worker in plan.workers] == [
        ("ocr", 4),
        ("ocr", 4),
        ("asr", 12),
    ]


def test_gpu_that_is_lost_moves_nobody_elsewhere() -> None:
    abilities = [ability("a", "T4G16", share=1.0), ability("b", "T4G16", share=1.0)]
    before = make_plan(host(T4, T4, T4), abilities, 8)
    assert placed(before) == [("a", "T4G16.0"), ("a", "T4G16.2"), ("b", "T4G16.1")]

    after = make_plan(without(host(T4, T4, T4), 0), abilities, 8, running=before.workers)

    assert placed(after) == [("a", "T4G16.2"), ("b", "T4G16.1")]


def test_second_worker_makes_room_for_another_abilitys_first() -> None:
    abilities = [ability("a", "T4G16", share=1.0), ability("b", "T4G16", share=1.0)]
    before = make_plan(host(T4, T4, T4), abilities, 8)

    after = make_plan(without(host(T4, T4, T4), 1), abilities, 8, running=before.workers)

    assert sorted(name for name, _ in placed(after)) == ["a", "b"]


def test_gpus_that_are_hidden_are_told() -> None:
    hidden = Inventory(driver="550", hidden=2)
    partly = dataclasses.replace(host(A100), hidden=1)

    reasons = [make_plan(item, [ability("ocr", "T4G16")], 8).refusals[0].reason for item in (hidden, partly)]

    assert "CUDA_VISIBLE_DEVICES hides all 2 GPUs of this host" in reasons[0]
    assert "this host has 1 x A100G80; 1 that CUDA_VISIBLE_DEVICES hides" in reasons[1]


def test_plan_of_many_abilities_is_made_between_two_heartbeats() -> None:
    abilities = [ability(f"a{index}", "T4G16", "A100G80", share=1.0) for index in range(40)]

    assert len(make_plan(host(*[T4] * 8, *[A100] * 8), abilities, 8).workers) == 16


abilities_of_any_kind = st.lists(
    st.builds(
        ability,
        st.sampled_from("abcde"),
        st.sampled_from(["T4G16", "cpu"]),
        st.sampled_from(["A100G80", "L40SG48"]),
        memory_mb=st.sampled_from([0, 4000, 10_000, 14_000, 30_000]),
        workers_per_gpu=st.integers(1, 2),
        share=st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0]),
    ).map(
        lambda item: (
            item
            if item.gpu.share < 1
            else dataclasses.replace(item, gpu=dataclasses.replace(item.gpu, workers_per_gpu=1))
        )
    ),
    max_size=4,
    unique_by=lambda item: item.service_id,
)
hosts = st.lists(st.sampled_from([T4, A100, L40S]), max_size=3).map(lambda products: host(*products))


def best_cost(
    inventory: Inventory, abilities: list[Ability], kept: Sequence[Placement] = ()
) -> tuple[int, int]:
    """Returns how many must be without a worker, and how many on the CPU for want of a GPU, at the least."""
    rooms = [Room(device) for device in devices_of(inventory)]
    for worker in kept:
        (item,) = (item for item in abilities if item.service_id == worker.service_id)
        (room,) = (room for room in rooms if room.device.uuid == worker.gpu_id)
        room.take_in(item)
    there = {worker.service_id for worker in kept}
    return _cheapest(rooms, [item for item in abilities if item.service_id not in there])


def _cheapest(rooms: list[Room], abilities: list[Ability]) -> tuple[int, int]:
    if not abilities:
        return 0, 0
    first, *others = abilities
    unserved, on_cpu = _cheapest(rooms, others)
    can_use_cpu = "cpu" in first.gpu.types
    costs = [(unserved + (not can_use_cpu), on_cpu + can_use_cpu)]
    for room in fitting(rooms, first):
        room.take_in(first)
        costs.append(_cheapest(rooms, others))
        room.let_go()
    return min(costs)


def cost_of(plan: Plan, abilities: list[Ability]) -> tuple[int, int]:
    on_gpu = {worker.service_id for worker in plan.workers if worker.gpu_id}
    without_gpu = [item for item in abilities if item.service_id not in on_gpu]
    return len(plan.refusals), sum("cpu" in item.gpu.types for item in without_gpu)


def check(inventory: Inventory, abilities: list[Ability], plan: Plan) -> None:
    """Nothing is promised twice, and nobody forgotten."""
    by_name = {item.service_id: item for item in abilities}
    served = {worker.service_id for worker in plan.workers}
    assert served | {refusal.service_id for refusal in plan.refusals} == by_name.keys()
    assert not served & {refusal.service_id for refusal in plan.refusals}
    assert len({(worker.service_id, worker.name) for worker in plan.workers}) == len(plan.workers)
    for device in devices_of(inventory):
        workers = [worker for worker in plan.workers if worker.gpu_id == device.uuid]
        options = [by_name[worker.service_id].gpu for worker in workers]
        assert sum(item.share for item in options) <= 1 + ROUNDING
        assert sum(worker.memory_limit_mb for worker in workers) <= device.memory_free_mib
        assert all(device.gpu_type in item.types for item in options)
        assert len(workers) == 1 or all(item.share < 1 for item in options)
        assert not (workers and device.problem)


@given(hosts, abilities_of_any_kind)
def test_no_plan_overcommits_a_gpu_or_forgets_an_ability(
    inventory: Inventory, abilities: list[Ability]
) -> None:
    plan = make_plan(inventory, abilities, 4)

    check(inventory, abilities, plan)
    assert make_plan(inventory, abilities, 4) == plan


@given(hosts, abilities_of_any_kind)
def test_no_plan_leaves_more_abilities_without_a_worker_than_must_be(
    inventory: Inventory, abilities: list[Ability]
) -> None:
    assert cost_of(make_plan(inventory, abilities, 4), abilities) == best_cost(inventory, abilities)


@given(hosts.filter(lambda inventory: bool(inventory.gpus)), abilities_of_any_kind, st.data())
def test_workers_stay_where_they_are_unless_another_ability_needs_their_gpu(
    inventory: Inventory, abilities: list[Ability], data: st.DataObject
) -> None:
    before = make_plan(inventory, abilities, 4)
    bad = data.draw(st.integers(0, len(inventory.gpus) - 1))
    left = without(inventory, bad)
    healthy = [worker for worker in before.workers if worker.gpu_id not in ("", f"GPU-{bad}")]

    after = make_plan(left, abilities, 4, running=before.workers)

    check(left, abilities, after)
    least = best_cost(left, abilities)
    assert cost_of(after, abilities) == least
    if best_cost(left, abilities, healthy) == least:
        assert {seat(worker) for worker in healthy} <= {seat(worker) for worker in after.workers}
    again = make_plan(inventory, abilities, 4, running=after.workers)
    assert cost_of(again, abilities) == best_cost(inventory, abilities)


def seat(worker: Placement) -> tuple[str, str, int]:
    return worker.service_id, worker.gpu_id, worker.ordinal
