"""When Python looks for garbage."""

import gc
from collections.abc import Iterator

import pytest

from athena.garbage import YOUNG, settle_garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_what_is_loaded_is_not_walked_through_again() -> None:
    settle_garbage()

    assert gc.isenabled()
    assert gc.get_threshold()[0] == YOUNG
    assert gc.get_freeze_count() > 0
