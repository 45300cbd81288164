"""All contestants get their share of the cores by the same rule."""

from pathlib import Path

import pytest

from benchmarks.autogroup import shared_alike, sharing
from benchmarks.report import origin
from benchmarks.results import Result


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    file = tmp_path / "sched_autogroup_enabled"
    file.write_text("1\n")
    return file


def test_cores_are_shared_out_by_thread_while_something_is_measured(switch: Path) -> None:
    assert sharing(switch) == "session"
    with shared_alike(switch):
        with shared_alike(switch):
            assert sharing(switch) == "thread"
        assert sharing(switch) == "thread"
    assert sharing(switch) == "session"


def test_it_is_put_back_after_a_failure(switch: Path) -> None:
    with pytest.raises(KeyError), shared_alike(switch):
        raise KeyError
    assert sharing(switch) == "session"


def test_what_is_off_stays_off(switch: Path) -> None:
    switch.write_text("0\n")
    with shared_alike(switch):
        pass
    assert switch.read_text() == "0\n"


def test_kernel_without_it_and_user_who_may_not(switch: Path, tmp_path: Path) -> None:
    with shared_alike(tmp_path / "none"):
        assert sharing(tmp_path / "none") == "thread"
    assert not (tmp_path / "none").exists()
    # A folder takes no text, from root either.
    with shared_alike(tmp_path):
        assert sharing(tmp_path) == "thread"


@pytest.mark.parametrize(("shared_by", "said"), [("session", "cores shared out by session"), ("", "2 cores")])
def test_a_result_says_by_which_rule(shared_by: str, said: str) -> None:
    machine = {"cores": 2, **({"shared_by": shared_by} if shared_by else {})}
    assert said in origin(Result("noop", about={"machine": machine}))
