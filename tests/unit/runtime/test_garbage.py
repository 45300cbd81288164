"""When Python looks for garbage."""

import gc
from collections.abc import Iterator

import pytest

from athena.runtime.garbage import YOUNG, keep_what_is_loaded, look_rarely


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_what_is_loaded_is_not_walked_through_again() -> None:
    keep_what_is_loaded()
    before = gc.get_threshold()
    look_rarely()

    assert gc.isenabled()
    assert before[0] < YOUNG == gc.get_threshold()[0]
    assert gc.get_freeze_count() > 0
