"""How long a run waits until what a fault broke is whole again."""

import time

import pytest

from tests.chaos.waiting import wait_for


def test_time_in_which_something_else_hinders_it_does_not_count() -> None:
    began_s = time.monotonic()

    def took_long() -> bool:
        return time.monotonic() > began_s + 0.3

    assert wait_for(took_long, 0.1, "it is whole", lambda: True) >= 0.3
    with pytest.raises(TimeoutError, match=r"not within 0\.1 s: it is whole"):
        wait_for(lambda: False, 0.1, "it is whole", lambda: not took_long())
