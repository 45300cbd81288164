"""The progress board: what a worker writes about itself and its supervisor reads."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from athena.fleet.progress_board import WORD, Call, ProgressBoard, Pulse, UnsettledError
from tests.conftest import wait_until

OPENING = (
    "import os; from athena.fleet.progress_board import ProgressBoard; board = ProgressBoard(%d, 2, 3); "
)

#: Before a word was one store, every thirtieth reading was of no value that was ever written. Readings count
#: that find another value than the one before: a busy machine may let the sides take turns, and a writer that
#: stands still shows nothing.
READINGS = 3000

#: So long a reader goes on for these, on a machine on which the sides do take turns.
PATIENCE_S = 5.0


@pytest.fixture
def board() -> Iterator[ProgressBoard]:
    board = ProgressBoard.create(2, 3)
    yield board
    board.close()


def run_worker(board: ProgressBoard, code: str) -> int:
    """Runs code that has the other side of the board; returns the exit status."""
    return subprocess.run(
        [sys.executable, "-P", "-c", OPENING % board.fd + code], pass_fds=(board.fd,), check=False
    ).returncode


@contextmanager
def writer(board: ProgressBoard, code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs code on the other side of the board for the time of a block."""
    process = subprocess.Popen([sys.executable, "-P", "-c", OPENING % board.fd + code], pass_fds=(board.fd,))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_written(holds: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Waits for what the other side writes; fails at once when the other side has ended."""
    wait_until(lambda: holds() or process.poll() is not None, "the other side writes")
    assert process.poll() is None


def seen_while_written(read: Callable[[], Any]) -> set[Any]:
    """Returns what a reader sees while the other side writes: more than one value."""
    seen: set[Any] = set()
    last, found, began_s = None, 0, time.monotonic()
    while len(seen) < 2 or (found < READINGS and time.monotonic() - began_s < PATIENCE_S):
        assert time.monotonic() - began_s < 30, "not in time: values change"
        read_now = read()
        found += read_now != last
        last = read_now
        seen.add(read_now)
    return seen


def test_no_reader_sees_half_of_a_pulse(board: ProgressBoard) -> None:
    # Values whose halves differ: a mixture is none of them.
    loop = "\nwhile True: board.pulse(1.1, 2.2); board.pulse(3.3, 4.4)"

    with writer(board, loop) as process:
        wait_until_written(lambda: board.read_pulse().contact_s, process)
        seen: set[Pulse] = seen_while_written(board.read_pulse)

    assert {pulse.turned_s for pulse in seen} <= {1.1, 3.3}
    assert {pulse.contact_s for pulse in seen} <= {2.2, 4.4}


def test_no_reader_sees_half_of_a_call(board: ProgressBoard) -> None:
    # Everything of a call tells which one it is.
    loop = """
while True:
    for n in range(1, 100):
        board.begin(0, float(n), n / 4, [f"{n:032}"] * (1 + n % 3))
        if n % 2: board.end(0)
"""

    with writer(board, loop) as process:
        wait_until_written(board.calls, process)
        seen: set[tuple[Call, ...]] = seen_while_written(lambda: tuple(board.calls()))

    for call in (call for calls in seen for call in calls):
        n = int(call.since_s)
        assert call == Call(float(n), n / 4, (f"{n:032}",) * (1 + n % 3))


def test_writer_that_is_killed_at_any_moment_leaves_a_whole_call_or_none(board: ProgressBoard) -> None:
    # A call that ends at once is over before a reader has read it.
    loop = """
while True:
    board.begin(0, 7.0, 3.5, ['a' * 32, 'b' * 32])
    for _ in range(100): pass
    board.end(0)
"""

    for _ in range(5):
        board._counts[0] = 0
        with writer(board, loop) as process:
            wait_until_written(board.calls, process)
        assert board.calls() in ([], [Call(7.0, 3.5, ("a" * 32, "b" * 32))])


def test_call_is_whole_before_its_count_says_so(board: ProgressBoard) -> None:
    whole: list[bytes] = []

    class Counts(list[int]):
        """Notes what lies on the board when a count is written."""

        def __setitem__(self, *item: Any) -> None:
            whole.append(bytes(board._memory))
            super().__setitem__(*item)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board, "_counts", Counts([0, 0]))
        board.begin(0, 1.0, 2.0, ["j1"])

    assert b"j1" in whole[0]


def test_what_is_written_but_not_valid_yet_is_not_shown(board: ProgressBoard) -> None:
    board.begin(0, 1.0, 2.0, ["j1"])
    first = bytes(board._memory)
    board.begin(0, 3.0, 4.0, ["j2"])
    second = bytes(board._memory)
    word = slice(3 * WORD, 4 * WORD)

    # The next call is there and its count is not: as after a kill at that moment.
    board._memory[:] = second
    board._memory[word] = first[word]
    before = board.calls()
    # The count is there and a byte of the call is not: as where stores become visible in another order.
    for place, (old, new) in enumerate(zip(first, second, strict=True)):
        if old != new and place not in range(word.start, word.stop):
            board._memory[:] = second
            board._memory[place : place + 1] = bytes([old])
            with pytest.raises(UnsettledError):
                board.calls()

    assert before == [Call(1.0, 2.0, ("j1",))]


def test_loop_that_has_parted_is_known(board: ProgressBoard) -> None:
    before = board.has_parted
    board.part()

    assert (before, board.has_parted) == (False, True)


def test_new_board_shows_nothing(board: ProgressBoard) -> None:
    assert (board.calls(), board.read_pulse()) == ([], Pulse(0.0, 0.0))


def test_call_is_shown_until_it_ends(board: ProgressBoard) -> None:
    board.begin(0, 100.5, 30.0, ["j1"])
    during = board.calls()
    board.end(0)

    assert during == [Call(100.5, 30.0, ("j1",))]
    assert board.calls() == []


def test_each_thread_has_a_place_of_its_own(board: ProgressBoard) -> None:
    board.begin(1, 7.0, 2.0, ["j1"])
    board.begin(0, 5.0, 1.0, ["j1"])

    both = board.calls()
    board.end(0)

    assert both == [Call(5.0, 1.0, ("j1",)), Call(7.0, 2.0, ("j1",))]
    assert board.calls() == [Call(7.0, 2.0, ("j1",))]


def test_next_call_replaces_the_last(board: ProgressBoard) -> None:
    board.begin(0, 1.0, 10.0, ["j1"])

    board.begin(0, 2.0, 20.0, ["j1"])

    assert board.calls() == [Call(2.0, 20.0, ("j1",))]


@pytest.mark.parametrize(
    ("now_s", "is_overdue"),
    [(100.0, False), (102.0, False), (103.0, False), (103.001, True), (99.0, False)],
)
def test_call_is_overdue_once_limit_and_grace_are_over(now_s: float, is_overdue: bool) -> None:
    call = Call(100.0, 2.0, ("j1",))

    assert call.is_overdue(now_s, grace_s=1.0) is is_overdue


def test_other_side_sees_what_one_side_writes(board: ProgressBoard) -> None:
    worker = ProgressBoard(os.dup(board.fd), 2, 3)

    worker.begin(1, 3.0, 4.0, ["j1"])
    worker.close()

    assert board.calls() == [Call(3.0, 4.0, ("j1",))]


def test_worker_process_writes_through_the_inherited_descriptor(board: ProgressBoard) -> None:
    returncode = run_worker(board, "board.begin(1, 8.0, 9.0, ['j1'])")

    assert returncode == 0
    assert board.calls() == [Call(8.0, 9.0, ("j1",))]


def test_what_a_killed_worker_was_doing_stays_readable(board: ProgressBoard) -> None:
    returncode = run_worker(board, "board.begin(0, 8.0, 9.0, ['j1']); os.kill(os.getpid(), 9)")

    assert returncode == -9
    assert board.calls() == [Call(8.0, 9.0, ("j1",))]


def test_closed_board_frees_its_descriptor() -> None:
    board = ProgressBoard.create(1, 1)

    board.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(board.fd)


def test_call_names_its_jobs(board: ProgressBoard) -> None:
    ids = ["0123456789abcdef0123456789abcdef", "8a6e0804-2bd0-4672-b79d-d97027f9071a", "ü" * 32]

    board.begin(1, 1.0, 2.0, ids)

    assert board.calls() == [Call(1.0, 2.0, tuple(ids))]


def test_signs_of_life_are_those_of_the_last_turn(board: ProgressBoard) -> None:
    before = board.read_pulse()
    board.pulse(5.0, 4.0)

    assert before == Pulse(0.0, 0.0)
    assert board.read_pulse() == Pulse(turned_s=5.0, contact_s=4.0)
