"""Owns child processes: starts them, sees their deaths at once, restarts them with back-off, ends them."""

import logging
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

from athena.supervisor.child import Child, StartError, describe_exit
from athena.supervisor.orphans import Orphans
from athena.supervisor.rolling_restart import RollingRestart
from athena.telemetry.log_streams import LogReaders

logger = logging.getLogger(__name__)

#: Deaths and signals wake the supervisor at once; a tick is for everything else.
TICK_S = 0.25
FIRST_RESTART_S = 0.0
MAX_RESTART_S = 30.0

#: So often somebody who waits for a start is told what is still awaited.
LOADING_EVERY_S = 10.0

#: A child that served this long is restarted as if it had never died.
HEALTHY_S = 5.0


def restart_delay_s(failures: int) -> float:
    """Returns how long to wait before a restart, after so many deaths in a row: 0, 1, 2, 4 … 30 s."""
    if failures <= 1:
        return FIRST_RESTART_S
    return float(min(MAX_RESTART_S, 2 ** (failures - 2)))


class Stop(Exception):
    """SIGTERM or SIGINT came."""


class Supervisor:
    """Runs children until it is told to stop; single-threaded."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[Child] = []
        self._duties: list[Callable[[float], None]] = []
        self._stop_signals = 0
        self._restart = RollingRestart(say)
        self._orphans = Orphans()
        self._log_readers = LogReaders()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> "Supervisor":
        self._orphans.adopt()
        # A pipe that is full wakes us as well.
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        # `nohup` means that the end of a terminal is none of our business.
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._on_restart_signal)
        # A handler, even an empty one, is what makes the death of a child write into the wake-up pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(self, *_: object) -> None:
        # In this order: what the children leave behind when they end must still come to us.
        self.stop()
        self._orphans.release()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def waiting(self) -> tuple[str, ...]:
        """Returns the names of the children that are to serve and do not."""
        return tuple(
            child.name
            for child in self._children
            if child.is_needed and child.is_wanted and not child.is_ready
        )

    def add_duty(self, duty: Callable[[float], None]) -> None:
        """Adds something that is done on every tick."""
        self._duties.append(duty)

    def start(self, children: Sequence[Child], timeout_s: float) -> None:
        """Starts children side by side and waits until all are ready, or only optional ones are not.

        Those that are not due yet are started when they are, and have their time from then on.

        Raises:
            StartError: one ended, or was not ready in time, and is not optional, or no optional one is left.
            Stop: a signal came meanwhile.
        """
        self._children.extend(children)
        began_s = said_s = time.monotonic()
        waiting = list(children)
        while waiting:
            for child in waiting:
                try:
                    self._check_start(child, timeout_s)
                except StartError as error:
                    waiting = [other for other in waiting if other is not child]
                    self._do_without(child, waiting, error)
            waiting = [child for child in waiting if not child.is_ready and _may_still_start(child)]
            now_s = time.monotonic()
            if waiting and now_s - said_s >= LOADING_EVERY_S:
                said_s = now_s
                names = ", ".join(dict.fromkeys(child.name for child in waiting))
                self._say(f"waiting for {names}, {now_s - began_s:.0f} s")
            self._tick()

    def admit(self, child: Child) -> None:
        """Takes a child in while the others run; it is started at once.

        It comes behind the last of its class, so that they end together, and before those that they serve.
        """
        peers = [place for place, other in enumerate(self._children, 1) if type(other) is type(child)]
        self._children.insert(peers[-1] if peers else len(self._children), child)

    def dismiss(self, child: Child) -> None:
        """Forgets a child that has ended."""
        self._children.remove(child)

    def run(self) -> None:
        """Keeps the children running; SIGHUP replaces them one after the other.

        Raises:
            Stop: a signal came.
        """
        while True:
            # A copy: the GPU watch tells its readings here, and a new plan admits children.
            for child in list(self._children):
                self._keep(child)
            self._restart.step()
            self._tick()

    def stop(self) -> None:
        """Ends all children, those started last first; a signal that comes meanwhile ends them at once."""
        groups = _groups(self._children)
        signals_before = self._stop_signals
        for group in reversed(groups):
            self._stop_group(group, signals_before)
        while not self._orphans.end_all(time.monotonic()):
            self._wait_quietly()

    def _do_without(self, child: Child, waiting: Sequence[Child], error: StartError) -> None:
        """Goes on without an optional child that did not start, as long as there is another one."""
        others = [other for other in self._children if other.is_optional and other is not child]
        if not child.is_optional or not any(other.is_ready or other in waiting for other in others):
            raise error
        self._say(error.message)
        child.signal(signal.SIGKILL)

    def _check_start(self, child: Child, timeout_s: float) -> None:
        if child.is_ready:
            return
        if child.process is None:
            if child.is_due(time.monotonic()):
                child.spawn()
            return
        # Looked at before the report, which is whole once the process has ended.
        returncode = child.exit_status()
        # Asked first, because a child that ends has often said why.
        if child.check_ready():
            child.now_serves()
            self._say(f"{child.name} is ready")
        elif returncode is not None:
            raise StartError(
                f"{child.name} did not start ({describe_exit(returncode)}); {child.log} says why"
            )
        elif time.monotonic() - child.started_s > timeout_s:
            raise StartError(f"{child.name} was not ready in time")

    def _keep(self, child: Child) -> None:
        now_s = time.monotonic()
        if child.process is None:
            # What the process before has left may hold its GPU's memory.
            if child.is_due(now_s) and not self._orphans.are_left_by(child, now_s):
                child.spawn()
            return
        if child.overstays(now_s):
            child.signal(signal.SIGKILL)
        returncode = child.exit_status()
        if returncode is not None:
            self._bury(child, returncode, now_s)
        elif not child.is_ready:
            self._look_again(child)

    def _look_again(self, child: Child) -> None:
        try:
            serves = child.check_ready()
        except StartError as error:
            logger.error("%s", error.message)
            child.give_up()
            return
        if serves:
            again = " again" if child.has_served else ""
            child.now_serves()
            self._say(f"{child.name} is ready{again}")

    def _bury(self, child: Child, returncode: int, now_s: float) -> None:
        # Comes first: what the process has said last decides how its end counts.
        self._let_go(child, returncode, now_s)
        planned = child.planned_exit(returncode)
        if planned:
            child.failures = 0
            child.ended(now_s)
            self._say(f"{child.name} ended: {planned}" + ("; starting it again" if child.is_wanted else ""))
            return
        if child.died_at_work or (child.ready_s and now_s - child.ready_s > HEALTHY_S):
            child.failures = 0
        child.failures += 1
        delay_s = restart_delay_s(child.failures)
        child.ended(now_s + delay_s)
        when = f"in {delay_s:g} s" if delay_s else "now"
        # Who was told already that it cannot start is not told that it was killed for that.
        how = "it could not start" if child.has_given_up else describe_exit(returncode)
        self._say(f"{child.name} ended ({how}); starting it again {when}")

    def _tick(self) -> None:
        self._wait()
        now_s = time.monotonic()
        self._orphans.tend(self._children, now_s)
        for child in list(self._children):
            if child.is_running:
                child.on_tick(now_s)
        for duty in list(self._duties):
            duty(now_s)
        if self._stop_signals:
            raise Stop

    def _wait(self) -> None:
        """Sleeps until a signal comes (the death of a child is one) or a tick is over."""
        self._log_readers.look()
        ready, _, _ = select.select([self._wake_read], [], [], TICK_S)
        if ready:
            os.read(self._wake_read, 4096)

    def _stop_group(self, group: Sequence[Child], signals_before: int) -> None:
        running = [child for child in group if child.process is not None]
        for child in running:
            child.stop()
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
        returncode = child.exit_status()
        if returncode is None:
            return False
        self._let_go(child, returncode, time.monotonic())
        return True

    def _let_go(self, child: Child, returncode: int, now_s: float) -> None:
        """Waits for a child that has ended; what it has started ends before others get its work."""
        self._orphans.bury(child, self._children, now_s)
        child.reap()
        child.on_exit(returncode)

    def _wait_quietly(self) -> None:
        """A tick during shutdown: duties such as heartbeats go on, further signals are only counted."""
        self._wait()
        now_s = time.monotonic()
        self._orphans.tend(self._children, now_s)
        for duty in self._duties:
            duty(now_s)

    def _on_restart_signal(self, number: int, frame: FrameType | None) -> None:
        self._restart.begin(self._children)

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        # Only counted: raised here, `Stop` would come in the middle of anything, a child's start for one.
        self._stop_signals += 1


def _may_still_start(child: Child) -> bool:
    """Whether a child has a process, or gets one; an operator may drain one that waits for its turn."""
    return child.process is not None or child.is_wanted


def _groups(children: Sequence[Child]) -> list[list[Child]]:
    """Returns the children in groups that end together: neighbours of the same class."""
    groups: list[list[Child]] = []
    for child in children:
        if groups and type(groups[-1][0]) is type(child):
            groups[-1].append(child)
        else:
            groups.append([child])
    return groups
