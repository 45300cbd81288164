"""Three workers of an ability that fetches a model as it loads, and cannot do that twice at once."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from .conftest import ROOT, Stack, serving, wait_until

pytestmark = pytest.mark.redis

CACHED = ROOT / "tests" / "abilities" / "cached"


def stack_of(folder: Path, name: str, together: int, **more: str) -> AbstractContextManager[Stack]:
    """Serves the ability; what it fetches and what is known of its loading stay for the next stack."""
    (folder / name).mkdir()
    (folder / "model cache").mkdir(exist_ok=True)
    return serving(
        folder / name,
        CACHED,
        CACHED_FOLDER=str(folder / "model cache"),
        CACHED_TOGETHER=str(together),
        ATHENA_CACHE_DIR=str(folder / "cache"),
        **more,
    )


def workers_of(stack: Stack) -> list[object]:
    """Returns those that serve."""
    (served,) = stack.get("/v1/abilities").json()["abilities"]
    return list(served["workers"])


def test_first_worker_loads_alone_and_later_ones_side_by_side(tmp_path: Path) -> None:
    cache = tmp_path / "model cache"

    with stack_of(tmp_path, "first start", together=2) as stack:
        # They all serve; the gateway looks about once a second.
        wait_until(lambda: len(workers_of(stack)) == 3, 30, "the gateway knows all three")
        log = stack.log
    fetched = list(cache.glob("fetched by *"))
    with stack_of(tmp_path, "second start", together=5):
        # Two of the start before, and all three of this one: each waited for the others.
        loaded = list(cache.glob("loaded by *"))

    assert log.count("further workers of cached wait until the first one on this host has loaded it") == 1
    assert len(fetched) == 1
    assert len(loaded) == 5


def test_first_worker_that_hangs_is_followed_by_others(tmp_path: Path) -> None:
    (tmp_path / "model cache").mkdir()
    (tmp_path / "model cache" / "hang").touch()

    with stack_of(tmp_path, "start", together=1, ATHENA_LOAD_TIMEOUT_S="5") as stack:
        wait_until(lambda: len(workers_of(stack)) == 3, 60, "all three serve")

    assert len(list((tmp_path / "model cache").glob("fetched by *"))) == 2
