"""The progress board: what a worker writes about itself and its supervisor reads."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from athena.progress import Busy, ProgressBoard


@pytest.fixture
def board() -> Iterator[ProgressBoard]:
    board = ProgressBoard.create(2)
    yield board
    board.close()


def run_worker(board: ProgressBoard, code: str) -> int:
    """Runs code that has the other side of the board; returns the exit status."""
    opening = f"import os; from athena.progress import ProgressBoard; board = ProgressBoard({board.fd}, 2); "
    return subprocess.run(
        [sys.executable, "-P", "-c", opening + code], pass_fds=(board.fd,), check=False
    ).returncode


def test_new_board_shows_nothing(board: ProgressBoard) -> None:
    assert board.busy() == []


def test_call_is_shown_until_it_ends(board: ProgressBoard) -> None:
    board.begin(0, 100.5, 30.0)
    during = board.busy()
    board.end(0)

    assert during == [Busy(since_s=100.5, limit_s=30.0)]
    assert board.busy() == []


def test_each_thread_has_a_place_of_its_own(board: ProgressBoard) -> None:
    board.begin(1, 7.0, 2.0)
    board.begin(0, 5.0, 1.0)

    both = board.busy()
    board.end(0)

    assert both == [Busy(5.0, 1.0), Busy(7.0, 2.0)]
    assert board.busy() == [Busy(7.0, 2.0)]


def test_next_call_replaces_the_last(board: ProgressBoard) -> None:
    board.begin(0, 1.0, 10.0)

    board.begin(0, 2.0, 20.0)

    assert board.busy() == [Busy(2.0, 20.0)]


@pytest.mark.parametrize(
    ("now_s", "is_overdue"),
    [(100.0, False), (102.0, False), (103.0, False), (103.001, True), (99.0, False)],
)
def test_call_is_overdue_once_limit_and_grace_are_over(now_s: float, is_overdue: bool) -> None:
    busy = Busy(since_s=100.0, limit_s=2.0)

    assert busy.is_overdue(now_s, grace_s=1.0) is is_overdue


def test_other_side_sees_what_one_side_writes(board: ProgressBoard) -> None:
    worker = ProgressBoard(os.dup(board.fd), 2)

    worker.begin(1, 3.0, 4.0)
    worker.close()

    assert board.busy() == [Busy(3.0, 4.0)]


def test_worker_process_writes_through_the_inherited_descriptor(board: ProgressBoard) -> None:
    returncode = run_worker(board, "board.begin(1, 8.0, 9.0)")

    assert returncode == 0
    assert board.busy() == [Busy(8.0, 9.0)]


def test_what_a_killed_worker_was_doing_stays_readable(board: ProgressBoard) -> None:
    returncode = run_worker(board, "board.begin(0, 8.0, 9.0); os.kill(os.getpid(), 9)")

    assert returncode == -9
    assert board.busy() == [Busy(8.0, 9.0)]


def test_closed_board_frees_its_descriptor() -> None:
    board = ProgressBoard.create(1)

    board.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(board.fd)
