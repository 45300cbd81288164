"""A process that a supervisor owns."""

import ctypes
import os
import signal
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from athena.errors import AthenaError
from athena.settings import ADMIN_VARIABLES, without

PR_SET_PDEATHSIG = 1

#: Variable by which all that a process starts can be told from what others start.
BIRTHMARK = "ATHENA_BIRTHMARK"

_libc = ctypes.CDLL(None, use_errno=True)


class StartError(AthenaError):
    """A child did not become ready; the message is one line for the operator."""


class Child(ABC):
    """A process that a supervisor owns.

    Attributes:
        name: for messages.
        grace_s: how long it may take to end after SIGTERM.
        log: where it says what goes wrong.
        is_optional: whether the others are started without it; it is tried again while they run.
        is_restartable: whether a rolling restart replaces it.
        is_needed: whether a rolling restart waits for it when it does not start.
        hidden_variables: what it does not get of our environment.
        umask: for the files that it makes; -1 for ours.
        runs_foreign_code: whether code of others runs in it, which may start processes of its own.
        birthmark: of its present process, or the last one; never used again.
        has_served: whether one of its processes was ready.
        is_stopping: whether the supervisor itself stops.
        is_leaving: whether this process was asked to end, and the supervisor goes on.
        is_wanted: whether a process that has ended is replaced.
    """

    log = "its output above"
    is_optional = False
    is_restartable = True
    is_needed = True
    hidden_variables: Collection[str] = ADMIN_VARIABLES
    umask = -1
    runs_foreign_code = False

    def __init__(self, name: str, grace_s: float) -> None:
        self.name = name
        self.grace_s = grace_s
        self.process: subprocess.Popen[bytes] | None = None
        self.birthmark = ""
        self.is_ready = False
        self.has_served = False
        self.is_stopping = False
        self.is_leaving = False
        self.is_wanted = True
        self._asked_s = 0.0
        self.failures = 0
        self.started_s = 0.0
        self.ready_s = 0.0
        self.restart_at_s: float | None = None

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

    def ask_to_leave(self) -> None:
        """Ends the process and lets none follow."""
        self.is_wanted = False
        self._ask()

    def ask_to_restart(self) -> bool:
        """Ends the process, if there is one, and lets another follow; returns False if that is refused."""
        self.is_wanted = True
        self.restart_at_s = 0.0
        self._ask()
        return True

    def _ask(self) -> None:
        if self.process is not None and not self.is_leaving:
            self.is_leaving = True
            self._asked_s = time.monotonic()
            self.signal(signal.SIGTERM)

    def overstays(self, now_s: float) -> bool:
        """Whether the process was asked to end and did not within its grace time."""
        return self.is_leaving and now_s - self._asked_s > self.grace_s

    @property
    def died_at_work(self) -> bool:
        """Whether what it worked on is to blame for its end; then the next process starts at once."""
        return False

    def now_serves(self) -> None:
        """Notes that the process is ready."""
        self.is_ready = self.has_served = True
        self.ready_s = time.monotonic()

    @property
    def is_running(self) -> bool:
        """Whether there is a process that was not waited for yet."""
        return self.process is not None

    def spawn(self) -> None:
        """Starts a process of its own session, which ends when we die."""
        self.is_ready = False
        self.is_leaving = False
        self.ready_s = 0.0
        self.restart_at_s = None
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
            start_new_session=True,
            umask=self.umask,
            preexec_fn=_die_with_parent,
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
        self.is_ready = False


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def describe_exit(returncode: int) -> str:
    """Returns how a process ended, in words."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
