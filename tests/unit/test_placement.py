"""The plan of a host's workers."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.ability import Ability, GpuOptions, WorkerOptions
from athena.inventory import Gpu, Inventory, MigInstance, devices_of
from athena.placement import Plan, make_plan

T4, A100 = "Tesla T4", "NVIDIA A100-SXM4-80GB"
MEMORY_MIB = {T4: 15360, A100: 81920}


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


abilities_of_any_kind = st.lists(
    st.builds(
        ability,
        st.sampled_from("abcdef"),
        st.sampled_from(["T4G16", "cpu"]),
        st.sampled_from(["A100G80"]),
        memory_mb=st.integers(0, 20_000),
        workers_per_gpu=st.integers(1, 3),
        share=st.sampled_from([0.0, 0.25, 1 / 3]),
    ),
    max_size=5,
    unique_by=lambda item: item.service_id,
)
hosts = st.lists(st.sampled_from([T4, A100]), max_size=5).map(lambda products: host(*products))


@given(hosts, abilities_of_any_kind)
def test_no_plan_overcommits_a_gpu_or_forgets_an_ability(
    inventory: Inventory, abilities: list[Ability]
) -> None:
    plan = make_plan(inventory, abilities, 4)

    by_name = {item.service_id: item for item in abilities}
    served = {worker.service_id for worker in plan.workers}
    assert served | {refusal.service_id for refusal in plan.refusals} == by_name.keys()
    assert not served & {refusal.service_id for refusal in plan.refusals}
    assert len({(worker.service_id, worker.name) for worker in plan.workers}) == len(plan.workers)
    for device in devices_of(inventory):
        options = [by_name[worker.service_id].gpu for worker in plan.workers if worker.gpu_id == device.uuid]
        assert sum(item.share for item in options) <= 1 + 1e-9
        assert sum(item.memory_mb for item in options) <= device.memory_free_mib
        assert all(device.gpu_type in item.types for item in options)
