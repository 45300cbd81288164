"""What CUDA_VISIBLE_DEVICES leaves of a host."""

import pytest

from athena.devices.inventory import Gpu, Inventory, MigInstance
from athena.devices.visible import visible_part

HOST = Inventory(
    driver="550",
    gpus=(
        Gpu(0, "GPU-aa1"),
        Gpu(1, "GPU-aa2"),
        Gpu(2, "GPU-bb", mig=True, mig_instances=(MigInstance(0, "MIG-x"), MigInstance(1, "MIG-y"))),
    ),
)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-aa1", "GPU-aa2", "MIG-x", "MIG-y"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", ["GPU-aa2"]),
        ("1, 0", ["GPU-aa1", "GPU-aa2"]),
        ("2", ["MIG-x", "MIG-y"]),
        ("GPU-aa2,MIG-y", ["GPU-aa2", "MIG-y"]),
        ("GPU-b", ["MIG-x", "MIG-y"]),
        # As CUDA does: what comes after a name of nothing, or of several, does not count.
        ("0,-1,1", ["GPU-aa1"]),
        ("0,9,1", ["GPU-aa1"]),
        ("1,GPU-aa", ["GPU-aa2"]),
    ],
)
def test_what_is_named_may_be_used(visible: str | None, expected: list[str]) -> None:
    part = visible_part(HOST, visible)

    shown = [
        uuid
        for gpu in part.gpus
        for uuid in ([item.uuid for item in gpu.mig_instances] if gpu.mig else [gpu.uuid])
    ]
    assert shown == expected
    assert part.hidden == 3 - len(part.gpus)
