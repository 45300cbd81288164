"""Whether one more process fits beside the one that is to be replaced."""

import pytest

from athena.supervisor.succession.headroom import RESERVE_BYTES, gpu_obstacle, host_obstacle

GIB = 2**30


@pytest.mark.parametrize(
    ("held", "awaited", "available", "fits"),
    [
        (2 * GIB, 0, 3 * GIB + RESERVE_BYTES, True),
        (2 * GIB, 0, 3 * GIB + RESERVE_BYTES - 1, False),
        (2 * GIB, 2 * GIB, 5 * GIB, False),
        (2 * GIB, 2 * GIB, 7 * GIB, True),
        (0, 0, 0, False),
        (2 * GIB, 0, None, True),
    ],
)
def test_successor_takes_half_as_much_again_as_the_process_holds(
    held: int, awaited: int, available: int | None, fits: bool
) -> None:
    assert (host_obstacle(held, awaited, available) == "") is fits


def test_obstacle_says_how_much_is_left_and_how_much_is_needed() -> None:
    text = host_obstacle(2 * GIB, 0, GIB)

    assert text == "1024 MiB of memory are left, and loading may take 3136"


@pytest.mark.parametrize(
    ("memory_mb", "awaited", "free", "word"),
    [
        (4000, 0, 4000, ""),
        (4000, 0, 3999, "3999 MiB"),
        (4000, 4000, 7999, "8000 are needed"),
        (0, 0, 80000, "gpu.memory_mb"),
    ],
)
def test_memory_of_a_gpu_has_to_be_known_and_free(memory_mb: int, awaited: int, free: int, word: str) -> None:
    text = gpu_obstacle(memory_mb, awaited, free)

    assert word in text and bool(text) is bool(word)
