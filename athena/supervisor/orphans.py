"""What processes leave behind: their own children, which end when whoever started them is gone."""

import ctypes
import logging
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from athena.devices.processes import own_children, read_bytes
from athena.supervisor.child import Child

logger = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER = 36

#: How long a process may take to end after SIGTERM, before SIGKILL.
GRACE_S = 1.0

#: A process that is still there so long after SIGTERM is held in the kernel; nobody waits for it any more.
PATIENCE_S = 10.0

#: The children of a process that ends are seen so long before its end, at most.
JUST_NOW_S = 0.5

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Orphan:
    """A process whose parent has ended.

    Attributes:
        found_s: when it was first seen.
        origins: the birthmarks of those that may have started it; none where nobody of ours did.
        asked_s: since when it is to end; None while it may stay.
        is_killed: whether SIGKILL was sent.
    """

    pid: int
    found_s: float
    origins: frozenset[str]
    asked_s: float | None = None
    is_killed: bool = False


class Orphans:
    """The processes that become ours because their parents end.

    The kernel gives an orphan to its nearest ancestor that is a "child subreaper" (prctl(2)), however many
    sessions and process groups lie between. So none gets out of sight, and none stays a zombie; the same
    holds, without our doing, for the first process of a container.
    """

    def __init__(self, children_of_ours: Callable[[], list[int]] = own_children) -> None:
        self._list = children_of_ours
        #: Processes that were there before us, such as those of a script that became us by `exec`.
        self._strangers: frozenset[int] = frozenset()
        self._found: dict[int, Orphan] = {}
        #: Birthmarks of processes that have ended, by the session that they led.
        self._ended: dict[int, str] = {}

    def adopt(self) -> None:
        """From now on orphans come to this process."""
        # Before any orphan comes, which would pass for one of them.
        self._strangers = frozenset(self._list())
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def release(self) -> None:
        """From now on they go elsewhere."""
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def bury(self, child: Child, children: Iterable[Child], now_s: float) -> None:
        """Ends what a child has started that has ended and was not waited for yet.

        Its number cannot belong to anybody else until then, nor can that of its process group.
        """
        assert child.process is not None
        # Noted first: `tend` finds what it has left, and asks here whose that is.
        self._ended[child.process.pid] = child.birthmark
        _signal_group(child.process.pid, signal.SIGTERM)
        for orphan in self._found.values():
            # Who has a session and an environment of its own comes from whoever ends just now.
            if child.birthmark in orphan.origins and now_s - orphan.found_s < JUST_NOW_S:
                orphan.origins = frozenset((child.birthmark,))
        self.tend(children, now_s)

    def are_left_by(self, child: Child, now_s: float) -> bool:
        """Whether processes that a child has started are still about to end."""
        return any(
            child.birthmark in orphan.origins and now_s - orphan.asked_s < PATIENCE_S
            for orphan in self._found.values()
            if orphan.asked_s is not None
        )

    def tend(self, children: Iterable[Child], now_s: float) -> None:
        """Waits for those that have ended, and ends those whose origins have; called regularly."""
        running = {child.process.pid: child for child in children if child.process is not None}
        listed = [pid for pid in self._list() if pid not in running and pid not in self._strangers]
        for pid in listed:
            if pid not in self._found:
                self._found[pid] = Orphan(pid, now_s, self._origins(pid, running))
        # One that is being buried was not waited for, so it is still among those that run.
        alive = {child.birthmark for pid, child in running.items() if pid not in self._ended}
        for orphan in list(self._found.values()):
            if orphan.pid not in listed or _reap(orphan.pid):
                del self._found[orphan.pid]
            elif orphan.origins and alive.isdisjoint(orphan.origins):
                _press(orphan, now_s)
        self._forget_ended(running)

    def end_all(self, now_s: float) -> bool:
        """Ends all that are left; returns whether nobody is, or only those who cannot be ended."""
        self.tend((), now_s)
        for orphan in self._found.values():
            _press(orphan, now_s)
        return all(now_s - (orphan.asked_s or now_s) > PATIENCE_S for orphan in self._found.values())

    def _origins(self, pid: int, running: dict[int, Child]) -> frozenset[str]:
        """Returns who may have started a process: one if it can be told, else all who may have."""
        session, marks = _session(pid), _environment(pid)
        for leader, mark in self._ended.items():
            if leader == session or mark.encode() in marks:
                return frozenset((mark,))
        for leader, child in running.items():
            if leader == session or child.birthmark.encode() in marks:
                # What our own programs have started may stay until the supervisor ends.
                return frozenset((child.birthmark,) if child.runs_foreign_code else ())
        # As in `bury`.
        return frozenset(self._ended.values()) or frozenset(
            child.birthmark for child in running.values() if child.runs_foreign_code
        )

    def _forget_ended(self, running: dict[int, Child]) -> None:
        """Forgets those that have left nobody: all that they started, and those in turn, would be here."""
        left = frozenset().union(*(orphan.origins for orphan in self._found.values()))
        self._ended = {pid: mark for pid, mark in self._ended.items() if mark in left or pid in running}


def _press(orphan: Orphan, now_s: float) -> None:
    if orphan.asked_s is None:
        orphan.asked_s = now_s
        logger.warning("ending process %d (%s), which was left behind", orphan.pid, _name(orphan.pid))
        _signal_group(orphan.pid, signal.SIGTERM)
    elif now_s - orphan.asked_s >= GRACE_S and not orphan.is_killed:
        orphan.is_killed = True
        _signal_group(orphan.pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Signals a child that was not waited for, and its process group; our own group only its member."""
    try:
        group = os.getpgid(pid)
        if group == os.getpgrp():
            os.kill(pid, number)
        else:
            os.killpg(group, number)
    except (ProcessLookupError, PermissionError) as error:
        logger.debug("cannot signal process %d: %s", pid, error)


def _reap(pid: int) -> bool:
    try:
        # Never any child (-1): how those ended that we own, `Child.exit_status` asks.
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _name(pid: int) -> str:
    return read_bytes(Path(f"/proc/{pid}/comm")).decode(errors="replace").strip()


def _environment(pid: int) -> bytes:
    """Returns the environment with which a process was started; a zombie has none any more."""
    return read_bytes(Path(f"/proc/{pid}/environ"))
