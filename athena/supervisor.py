"""Owns child processes: starts them, sees their deaths at once, restarts them with back-off, ends them."""

import ctypes
import logging
import os
import select
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from athena.errors import AthenaError

logger = logging.getLogger(__name__)

#: Deaths and signals wake the supervisor at once; a tick is for everything else.
TICK_S = 0.25
FIRST_RESTART_S = 0.0
MAX_RESTART_S = 30.0

#: A child that lived this long is restarted as if it had never died.
HEALTHY_S = 60.0

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class StartError(AthenaError):
    """A child did not become ready; the message is one line for the operator."""


def restart_delay_s(failures: int) -> float:
    """Returns how long to wait before a restart, after so many deaths in a row: 0, 1, 2, 4 … 30 s."""
    if failures <= 1:
        return FIRST_RESTART_S
    return float(min(MAX_RESTART_S, 2 ** (failures - 2)))


class Child(ABC):
    """A process that a supervisor owns.

    Attributes:
        name: for messages.
        grace_s: how long it may take to end after SIGTERM.
        log: where it says what goes wrong.
        is_optional: whether the others are started without it; it is tried again while they run.
    """

    log = "its output above"
    is_optional = False

    def __init__(self, name: str, grace_s: float) -> None:
        self.name = name
        self.grace_s = grace_s
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self.is_stopping = False
        self.failures = 0
        self.started_s = 0.0
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

    @property
    def is_running(self) -> bool:
        """Whether there is a process that was not waited for yet."""
        return self.process is not None

    def spawn(self) -> None:
        """Starts a process of its own session, which ends when we die."""
        self.is_ready = False
        self.restart_at_s = None
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            list(self.command()),
            env={**os.environ, **self.environment()},
            pass_fds=tuple(self.inherited_fds()),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, if there is a process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


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


class Stop(Exception):
    """SIGTERM or SIGINT came."""


class Supervisor:
    """Runs children until it is told to stop; single-threaded."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[Child] = []
        self._duties: list[Callable[[float], None]] = []
        self._stop_signals = 0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> "Supervisor":
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        # A handler, even an empty one, is what makes the death of a child write into the wake-up pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def add_duty(self, duty: Callable[[float], None]) -> None:
        """Adds something that is done on every tick."""
        self._duties.append(duty)

    def start(self, children: Sequence[Child], timeout_s: float) -> None:
        """Starts children side by side and waits until all are ready, or only optional ones are not.

        Raises:
            StartError: one ended, or was not ready in time, and is not optional, or no optional one is left.
            Stop: a signal came meanwhile.
        """
        for child in children:
            self._children.append(child)
            child.spawn()
        deadline_s = time.monotonic() + timeout_s
        waiting = list(children)
        while waiting:
            for child in waiting:
                try:
                    self._check_start(child, deadline_s)
                except StartError as error:
                    waiting = [other for other in waiting if other is not child]
                    self._do_without(child, waiting, error)
            waiting = [child for child in waiting if not child.is_ready]
            self._tick()

    def run(self) -> None:
        """Keeps the children running.

        Raises:
            Stop: a signal came.
        """
        while True:
            for child in self._children:
                self._keep(child)
            self._tick()

    def stop(self) -> None:
        """Ends all children, those started last first; a signal that comes meanwhile ends them at once."""
        groups = _groups(self._children)
        signals_before = self._stop_signals
        for group in reversed(groups):
            self._stop_group(group, signals_before)

    def _do_without(self, child: Child, waiting: Sequence[Child], error: StartError) -> None:
        """Goes on without an optional child that did not start, as long as there is another one."""
        others = [other for other in self._children if other.is_optional and other is not child]
        if not child.is_optional or not any(other.is_ready or other in waiting for other in others):
            raise error
        self._say(error.message)
        child.signal(signal.SIGKILL)

    def _check_start(self, child: Child, deadline_s: float) -> None:
        if child.is_ready:
            return
        returncode = child.process.poll() if child.process else None
        # Asked first, because a child that ends has often said why.
        if child.check_ready():
            child.is_ready = True
            self._say(f"{child.name} is ready")
        elif returncode is not None:
            raise StartError(
                f"{child.name} did not start ({describe_exit(returncode)}); {child.log} says why"
            )
        elif time.monotonic() > deadline_s:
            raise StartError(f"{child.name} was not ready in time")

    def _keep(self, child: Child) -> None:
        now_s = time.monotonic()
        if child.process is None:
            if child.restart_at_s is not None and now_s >= child.restart_at_s:
                child.spawn()
            return
        returncode = child.process.poll()
        if returncode is not None:
            self._bury(child, returncode, now_s)
        elif not child.is_ready:
            self._look_again(child)

    def _look_again(self, child: Child) -> None:
        try:
            child.is_ready = child.check_ready()
        except StartError as error:
            logger.error("%s", error.message)
            child.signal(signal.SIGKILL)
            return
        if child.is_ready:
            self._say(f"{child.name} is ready again")

    def _bury(self, child: Child, returncode: int, now_s: float) -> None:
        child.process = None
        child.is_ready = False
        child.on_exit(returncode)
        child.failures = 1 if now_s - child.started_s > HEALTHY_S else child.failures + 1
        delay_s = restart_delay_s(child.failures)
        child.restart_at_s = now_s + delay_s
        when = f"in {delay_s:g} s" if delay_s else "now"
        self._say(f"{child.name} ended ({describe_exit(returncode)}); starting it again {when}")

    def _tick(self) -> None:
        self._wait()
        now_s = time.monotonic()
        for child in self._children:
            if child.is_running:
                child.on_tick(now_s)
        for duty in self._duties:
            duty(now_s)
        if self._stop_signals:
            raise Stop

    def _wait(self) -> None:
        """Sleeps until a signal comes (the death of a child is one) or a tick is over."""
        ready, _, _ = select.select([self._wake_read], [], [], TICK_S)
        if ready:
            os.read(self._wake_read, 4096)

    def _stop_group(self, group: Sequence[Child], signals_before: int) -> None:
        running = [child for child in group if child.process is not None]
        for child in running:
            child.is_stopping = True
            child.signal(signal.SIGTERM)
        began_s = time.monotonic()
        while running:
            for child in running:
                overdue = time.monotonic() - began_s > child.grace_s
                if overdue or self._stop_signals > signals_before:
                    child.signal(signal.SIGKILL)
            running = [child for child in running if not self._reap(child)]
            if running:
                self._wait_quietly()

    def _reap(self, child: Child) -> bool:
        assert child.process is not None
        returncode = child.process.poll()
        if returncode is None:
            return False
        child.process = None
        child.is_ready = False
        child.on_exit(returncode)
        return True

    def _wait_quietly(self) -> None:
        """A tick during shutdown: duties such as heartbeats go on, further signals are only counted."""
        self._wait()
        now_s = time.monotonic()
        for duty in self._duties:
            duty(now_s)

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signals += 1


def _groups(children: Sequence[Child]) -> list[list[Child]]:
    """Returns the children in groups that end together: neighbours of the same class."""
    groups: list[list[Child]] = []
    for child in children:
        if groups and type(groups[-1][0]) is type(child):
            groups[-1].append(child)
        else:
            groups.append([child])
    return groups
