"""A process that a supervisor owns."""

import ctypes
import os
import signal
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from functools import partial

from athena.errors import AthenaError
from athena.settings import ADMIN_VARIABLES, without

PR_SET_PDEATHSIG = 1

#: Variable by which all that a process starts can be told from what others start.
BIRTHMARK = "ATHENA_BIRTHMARK"

_libc = ctypes.CDLL(None, use_errno=True)


class StartError(AthenaError):
    """A child did not become ready; the message is one line for the operator."""


class Phase(Enum):
    """Where a child is between two starts.

    DUE: there is no process; one is started at `restart_at_s`.
    UP: a process runs, and one that ends is followed by another.
    REPLACING: the process was asked to end, and is followed by another.
    DRAINING: the process was asked to end, and none follows.
    DRAINED: there is no process, and none is started.
    STOPPING: the process was asked to end together with its supervisor.
    """

    DUE = auto()
    UP = auto()
    REPLACING = auto()
    DRAINING = auto()
    DRAINED = auto()
    STOPPING = auto()


class Child(ABC):
    """A process that a supervisor owns; `spawn`, `restart`, `drain` and `stop` say what is to become of it.

    Attributes:
        name: for messages.
        grace_s: how long it may take to end after SIGTERM.
        log: where it says what goes wrong.
        is_optional: whether the others are started without it; it is tried again while they run.
        is_restartable: whether a rolling restart replaces it.
        is_needed: whether a rolling restart waits for it when it does not start.
        hidden_variables: what it does not get of our environment.
        umask: for the files that it makes; -1 for ours.
        orphan_signal: what it gets when its supervisor dies; nobody is there then to press it.
        runs_foreign_code: whether code of others runs in it, which may start processes of its own.
        birthmark: of its present process, or the last one; never used again.
        phase: what is going on; no other module sets it.
        started_s: when its present process was started, or the last one, on the monotonic clock.
        ready_s: when that became ready; 0 before.
        restart_at_s: when the next one is due.
        has_served: whether one of its processes was ready.
        failures: how many processes have ended in a row that were not to.
        has_given_up: whether the present process, or the last one, has said that it cannot start.
        successor: what loads beside its process to take its place; that serves until this does.
        refusal: why the last successor did not start, so that its process serves on; "" if none failed.
    """

    log = "its output above"
    is_optional = False
    is_restartable = True
    is_needed = True
    hidden_variables: Collection[str] = ADMIN_VARIABLES
    umask = -1
    orphan_signal = signal.SIGTERM
    runs_foreign_code = False

    def __init__(self, name: str, grace_s: float) -> None:
        self.name = name
        self.grace_s = grace_s
        self.process: subprocess.Popen[bytes] | None = None
        self.birthmark = ""
        self.phase = Phase.DUE
        self.has_served = False
        self._asked_s = 0.0
        self.failures = 0
        self.has_given_up = False
        self.successor: Child | None = None
        self.refusal = ""
        self.started_s = 0.0
        self.ready_s = 0.0
        self.restart_at_s = 0.0

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Returns the command line of the next process."""

    def environment(self) -> Mapping[str, str]:
        """Returns what is added to our own environment."""
        return {}

    def inherited_fds(self) -> Sequence[int]:
        """Returns file descriptors that the process inherits."""
        return ()

    def stdout(self) -> int | None:
        """Returns the file descriptor of its output; None for ours."""
        return None

    @abstractmethod
    def check_ready(self) -> bool:
        """Returns whether the process serves; asked again until it does.

        Raises:
            StartError: it never will.
        """

    def on_tick(self, now_s: float) -> None:  # noqa: B027 - few children have duties
        """Regular duties while the process runs."""

    def on_exit(self, returncode: int) -> None:  # noqa: B027 - as above
        """Called once for each process that has ended."""

    def planned_exit(self, returncode: int) -> str:
        """Returns why the process was to end; "" if it was not, and its end counts as a failure."""
        return "it was asked to" if self.is_leaving else ""

    def restart(self) -> bool:
        """Ends the process, if there is one, and lets another follow; returns False if that is refused."""
        if self.is_stopping:
            return False
        if self.process is None:
            # Who asks for it does not wait for the delay after earlier failures.
            self.phase, self.restart_at_s = Phase.DUE, 0.0
        else:
            self._ask(Phase.REPLACING)
        return True

    def drain(self) -> None:
        """Ends the process, if there is one, and lets none follow."""
        if self.is_stopping:
            return
        if self.process is None:
            self.phase = Phase.DRAINED
        else:
            self._ask(Phase.DRAINING)

    def stop(self) -> None:
        """Ends the process because its supervisor ends."""
        self.phase = Phase.STOPPING
        self.signal(signal.SIGTERM)

    def give_up(self) -> None:
        """Ends a process that has said that it cannot start."""
        self.has_given_up = True
        self.signal(signal.SIGKILL)

    def ended(self, restart_at_s: float) -> None:
        """Notes that there is no process any more, and when the next one is due, if one is to follow."""
        if self.phase is Phase.DRAINING:
            self.phase = Phase.DRAINED
        elif not self.is_stopping:
            self.phase, self.restart_at_s = Phase.DUE, restart_at_s

    def _ask(self, phase: Phase) -> None:
        # Asked once: a second SIGTERM would cut short what the first lets finish.
        if not self.is_leaving:
            self._asked_s = time.monotonic()
            self.signal(signal.SIGTERM)
        self.phase = phase

    @property
    def is_ready(self) -> bool:
        """Whether there is a process that serves; one that was asked to end serves what it has."""
        return self.process is not None and self.ready_s > 0

    @property
    def is_leaving(self) -> bool:
        """Whether the process was asked to end, and its supervisor goes on."""
        return self.phase in (Phase.REPLACING, Phase.DRAINING)

    @property
    def is_in_change(self) -> bool:
        """Whether another process is to serve in the place of the present one, and does not yet."""
        return self.successor is not None or self.is_leaving or not self.is_ready

    @property
    def is_stopping(self) -> bool:
        """Whether the supervisor itself stops."""
        return self.phase is Phase.STOPPING

    @property
    def is_wanted(self) -> bool:
        """Whether a process that has ended, or ends, is followed by another."""
        return self.phase not in (Phase.DRAINING, Phase.DRAINED)

    def is_due(self, now_s: float) -> bool:
        """Whether the next process is to be started."""
        return self.phase is Phase.DUE and now_s >= self.restart_at_s

    def overstays(self, now_s: float) -> bool:
        """Whether the process was asked to end and did not within its grace time."""
        return self.is_leaving and now_s - self._asked_s > self.grace_s

    @property
    def died_at_work(self) -> bool:
        """Whether what it worked on is to blame for its end; then the next process starts at once."""
        return False

    def now_serves(self) -> None:
        """Notes that the process is ready."""
        self.has_served = True
        self.ready_s = time.monotonic()

    @property
    def is_running(self) -> bool:
        """Whether there is a process that was not waited for yet."""
        return self.process is not None

    def spawn(self) -> None:
        """Starts a process of its own session, which ends when we die."""
        self.phase = Phase.UP
        self.ready_s = 0.0
        self.has_given_up = False
        self.started_s = time.monotonic()
        self.birthmark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            list(self.command()),
            env={
                **without(os.environ, self.hidden_variables),
                **self.environment(),
                BIRTHMARK: self.birthmark,
            },
            pass_fds=tuple(self.inherited_fds()),
            stdin=subprocess.DEVNULL,
            stdout=self.stdout(),
            # Ctrl-C in a terminal is for us alone, who end the children in their order.
            start_new_session=True,
            umask=self.umask,
            # Not safe beside other threads, and the kernel sends the signal when the thread ends that spawned
            # (prctl(2)): a supervisor has only one.
            preexec_fn=partial(_die_with_parent, self.orphan_signal),
        )

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if there is a process."""
        # Not by Popen, which waits for a process that has ended: that is for `reap` alone.
        if self.process is not None and self.process.returncode is None:
            os.kill(self.process.pid, number)

    def exit_status(self) -> int | None:
        """Returns how the process ended, as `subprocess` counts; None while it runs.

        It stays a zombie, so that its number, and that of its group, remain its own (see `reap`).
        """
        assert self.process is not None
        if self.process.returncode is not None:
            return self.process.returncode
        ended = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def reap(self) -> None:
        """Waits for a process that has ended, and lets go of it."""
        assert self.process is not None
        self.process.wait()
        self.process = None


class TellingChild(Child):
    """A process that tells its supervisor something, a line each time, on its standard output."""

    def __init__(self, name: str, grace_s: float) -> None:
        super().__init__(name, grace_s)
        self._read = self._write = -1
        self._text = b""

    def stdout(self) -> int:
        """Returns the pipe on which it tells."""
        return self._write

    def spawn(self) -> None:
        """Starts the process, with a pipe to us."""
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read, False)
        self._text = b""
        super().spawn()
        os.close(self._write)

    def on_exit(self, returncode: int) -> None:
        """Lets go of the pipe."""
        os.close(self._read)

    def read_lines(self) -> list[bytes]:
        """Returns the whole lines that have come since."""
        with suppress(BlockingIOError):
            while chunk := os.read(self._read, 1 << 16):
                self._text += chunk
        *lines, self._text = self._text.split(b"\n")
        return lines


def _die_with_parent(number: signal.Signals) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, number)


def describe_exit(returncode: int) -> str:
    """Returns how a process ended, in words."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
