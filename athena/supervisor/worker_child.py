"""Worker processes as their supervisor sees them: start order, heartbeat, limits, death."""

import logging
import os
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from athena.ability.handover import encode_ability
from athena.devices.host import host_name
from athena.fleet.host_report import BROKEN, LOADING, SERVING, WorkerStatus
from athena.fleet.launch import (
    EX_LOOP_FAILED,
    EX_RECYCLED,
    StatusPipe,
    WorkerLaunch,
    WorkerReport,
    share,
)
from athena.fleet.progress_board import Call, ProgressBoard, UnsettledError
from athena.fleet.worker_orders import ORDER_DRAIN, ORDER_RESTART
from athena.settings import Settings
from athena.store.fencing import Beat, Death
from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.child import Child, Phase, StartError, describe_exit
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.loading.first_load import FirstLoad
from athena.supervisor.loading.load_marks import LoadMarks
from athena.supervisor.placement.pinning import device_environment
from athena.supervisor.placement.plan import Placement
from athena.supervisor.programs import WORKER, launched
from athena.supervisor.rolling_restart import Turn
from athena.supervisor.watchdog import (
    Suspicion,
    Verdict,
    cause_of_end,
    judge_calls,
    judge_canceled,
    judge_pulse,
)

logger = logging.getLogger(__name__)

#: A start that takes this much longer than it may is ended from outside: the worker cannot do it any more.
LOAD_GRACE_S = 30.0


class WorkerChild(Child):
    """One worker process after the other, of one ability on one GPU, or on the CPU.

    Args:
        reading: what it serves; read again for each process.
        placement: where.
        keeper: gives it its heartbeats.
        settings: of the supervisor.
        suffix: part of its name, where several supervisors share a host.
        turn: of the ability's workers on this host, to be restarted.
        first_load: likewise, to load; without it this one waits for nobody.

    Attributes:
        ability: what its present process serves, or the last one.
        is_successor: whether another worker serves in its place until it does.
        trouble: why its last process that could not start could not.
        find_successor: lets a process load beside the present one, and take its place; whether it does.
    """

    runs_foreign_code = True

    def __init__(
        self,
        reading: AbilityReading,
        placement: Placement,
        keeper: FleetKeeper,
        settings: Settings,
        suffix: str = "",
        turn: Turn | None = None,
        first_load: FirstLoad | None = None,
    ) -> None:
        self.ability = ability = reading.ability
        super().__init__(f"worker {ability.service_id}", settings.grace_s + 5)
        self.incarnation = ""
        self._reading = reading
        self._turn = turn or Turn()
        self._first_load = first_load or FirstLoad(reading, LoadMarks(None))
        self._host = host_name()
        self.node_name = f"{ability.service_id}.{placement.name}{suffix}@{self._host}"
        self.placement = placement
        self._is_retired = self.is_successor = False
        self.trouble = ""
        self.find_successor: Callable[[WorkerChild], bool] | None = None
        self._keeper = keeper
        self._load_timeout_s = settings.load_timeout_s
        self._install_timeout_s = settings.install_timeout_s
        self._board, self._ability_fd = self._make_board(), -1
        #: What its present process, or the last one, has reported; there from the first one on.
        self._status: StatusPipe
        #: Why its process runs no more batches.
        self._unbatched = ""
        self._suspicion = Suspicion()
        self._verdict: Verdict | None = None
        self._canceled_s: dict[str, float] = {}
        self._has_served = False
        #: Whether Redis was seen to know the process.
        self._is_registered = False
        #: What a process that was broken has said at its end.
        self._breakage: WorkerReport | None = None
        #: Whether the last process that served was broken; until another one serves.
        self._was_broken = False
        keeper.add(self)

    def command(self) -> Sequence[str]:
        """Returns the worker's command line; its name is there for who looks at processes."""
        program = (*WORKER, self.node_name)
        return launched(program) if self.ability.has_own_python else program

    def inherited_fds(self) -> Sequence[int]:
        """Returns the ability, the status pipe and the progress board."""
        return (self._ability_fd, self._status.write_fd, self._board.fd)

    def environment(self) -> Mapping[str, str]:
        """Returns the start order and what pins the process to its device."""
        launch = WorkerLaunch(
            ability_fd=self._ability_fd,
            incarnation=self.incarnation,
            name=self.node_name,
            gpu_type=self.placement.gpu_type,
            gpu_id=self.placement.gpu_id,
            gpu_label=self.placement.label if self.placement.gpu_id else "",
            host=self._host,
            memory_limit_mb=self.placement.memory_limit_mb,
            threads=self.placement.threads,
            peers=self.placement.peers,
            status_fd=self._status.write_fd,
            progress_fd=self._board.fd,
            service_id=self.ability.service_id,
        )
        # For the Python programs that a wrapper starts; a worker's own output is a log anyway.
        unbuffered = {"PYTHONUNBUFFERED": os.environ.get("PYTHONUNBUFFERED", "1")}
        return {**launch.environment(), **device_environment(self.placement, os.environ), **unbuffered}

    def state(self) -> WorkerStatus:
        """Returns how it is, for operators."""
        return WorkerStatus(
            name=self.node_name,
            service_id=self.ability.service_id,
            gpu_type=self.placement.gpu_type,
            gpu_id=self.placement.gpu_id,
            state=self._state(),
            unbatched=self._unbatched if self.is_ready else "",
        )

    def _state(self) -> str:
        if self.is_leaving or self.is_stopping:
            return "stopping"
        if self.is_ready:
            return SERVING
        if self.phase is Phase.DRAINED:
            return "drained"
        if self.is_running or not self.incarnation:
            return LOADING
        return BROKEN if self._was_broken else "down"

    def retire(self) -> None:
        """Ends the process for good, whatever operators order."""
        self._is_retired = True
        self.drain()

    def restart(self) -> bool:
        """As of any child; not for one that is retired, nor while its ability's folder cannot be served."""
        if self._is_retired or self.is_stopping:
            return False
        problem = self._reading.examine()
        if problem:
            logger.error("%s is not restarted: %s", self.name, problem)
            self._keeper.tell_failure(self.ability.service_id, problem)
            return False
        self.refusal = ""
        find = self.find_successor if self.is_ready and not self.is_leaving else None
        return bool(find and find(self)) or super().restart()

    def succeed(self) -> None:
        """Notes that nobody else serves in its place any more."""
        self.is_successor = False
        self.is_needed = self.is_restartable = True

    def ended(self, restart_at_s: float) -> None:
        """As of any child; a successor that did not start is not tried again."""
        super().ended(restart_at_s)
        if self.is_successor:
            self.drain()

    def is_due(self, now_s: float) -> bool:
        """As of any child; where its ability has never loaded on this host, it waits for its turn."""
        return super().is_due(now_s) and self._first_load.may_begin(self, now_s)

    def now_serves(self) -> None:
        """As of any child; others of its ability may load now."""
        super().now_serves()
        self._first_load.note_served(self)

    def spawn(self) -> None:
        """Starts a process as a fresh incarnation, with its ability as it is now."""
        problem = self._reading.renew()
        if problem:
            logger.warning("%s starts with what was read before: %s", self.name, problem)
        self.ability = self._reading.ability
        self.incarnation = uuid.uuid4().hex
        self._suspicion = Suspicion()
        self._verdict = self._breakage = None
        self._canceled_s = {}
        self._is_registered = self._has_served = False
        self._unbatched = ""
        # A new one for each process: its size is that of this ability, and calls of the last must not count.
        self._board.close()
        self._board = self._make_board()
        self._ability_fd = share(encode_ability(self.ability))
        self._status = StatusPipe()
        super().spawn()
        self._status.close_writer()
        os.close(self._ability_fd)

    def check_ready(self) -> bool:
        """Reads what the worker reports (see `Child.check_ready`)."""
        report = self._status.first()
        if report is None:
            return False
        if not report.ready:
            self._tell_trouble(report.detail, self._was_broken)
            raise StartError(f"ability {self.ability.service_id}: {report.detail}")
        # It serves what was read, or installed, before; that is told until it is mended.
        problem = self._reading.problem or report.detail
        if problem:
            self._keeper.tell_failure(self.ability.service_id, problem)
        else:
            self._keeper.forget_failure(self.ability.service_id)
        self._was_broken = False
        self._has_served = True
        self._unbatched = self._status.last().unbatched
        load_s = time.monotonic() - self.started_s
        self._keeper.tell_load(self.ability.service_id, self.placement.gpu_type, load_s)
        return True

    @property
    def is_beating(self) -> bool:
        """Whether its heart is to be kept beating: from its start on, since it registers before it is ready.

        Where Redis is far away or the machine is slow, a worker takes longer from its entry in Redis to its
        report than it takes others to count it as dead.
        """
        return self.is_running

    def on_tick(self, now_s: float) -> None:
        """Hears what a process says of itself; kills one that does what it must not, or nothing at all."""
        if self.is_ready and self._status.read():
            self._unbatched = self._status.last().unbatched
        if self._verdict is None and not self.is_stopping:
            self._verdict = self._suspicion.confirmed(self._judge(now_s), now_s)
            if self._verdict is not None:
                logger.error("%s: %s", self.name, self._verdict.reason)
        if self._verdict is not None:
            self.signal(signal.SIGKILL)

    def on_beat(self, beat: Beat, order: str) -> None:
        """Hears which of its jobs were canceled, whether it was fenced, and what an operator wants."""
        now_s = time.monotonic()
        self._canceled_s = {job_id: self._canceled_s.get(job_id, now_s) for job_id in beat.canceled}
        self._is_registered |= self.is_ready or not beat.is_fenced
        is_to_end = self.is_stopping or self.is_leaving
        # One that stops has signed off by itself, and one that loads may not have registered yet.
        if beat.is_fenced and self._is_registered and self.is_running and not is_to_end:
            logger.error("%s was fenced by another process; ending it", self.name)
            self.signal(signal.SIGKILL)
        # Its name is still that of the one which serves, and so are the orders.
        if self._is_retired or self.is_successor:
            return
        if order == ORDER_RESTART:
            self._obey_restart()
        elif order == ORDER_DRAIN and self.is_wanted:
            self.drain()
        elif not order and not self.is_wanted:
            # The drain was taken back: nothing serves that a bad edit could end.
            super().restart()

    def _obey_restart(self) -> None:
        """Carries out an operator's order; a worker that stays drained is shown as that again."""
        if not self._turn.take(self):
            # The order lies in Redis, and comes again with the next heartbeat.
            return
        is_refused = not self.restart()
        if is_refused and not self.is_wanted:
            self._keeper.leave_order(self.node_name, ORDER_DRAIN)
        else:
            self._keeper.forget_order(self.node_name)

    def planned_exit(self, returncode: int) -> str:
        """Says whether the process ended because it was due."""
        if self.is_successor and not self.is_leaving:
            return "it does not take the place of the one that serves"
        return "it was due to be replaced" if returncode == EX_RECYCLED else super().planned_exit(returncode)

    @property
    def died_at_work(self) -> bool:
        """Whether a job was being run when the process ended."""
        is_blamed = self._breakage is not None and bool(self._breakage.blamed)
        return self._verdict is not None or is_blamed or bool(self._last_calls())

    def on_exit(self, returncode: int) -> None:
        """Passes the jobs of the process on."""
        self._first_load.note_end(self)
        if returncode == EX_LOOP_FAILED:
            logger.error("%s ended by an error of its own; its jobs run again, and none is blamed", self.name)
        self._note_last_words()
        self._status.close()
        self._note_breakage()
        if not (self._status.was_heard or self._verdict or self.is_stopping or self.is_leaving):
            text = f"the worker process ended while it started ({describe_exit(returncode)})"
            self._tell_trouble(text)
        self._keeper.bury(self.incarnation, self._death(returncode))

    def _note_last_words(self) -> None:
        """Tells why a process could not serve that has ended before it was looked at again."""
        was_heard, report = self._status.was_heard, self._status.first()
        if report is None or was_heard or report.ready or report.is_broken:
            return
        self.has_given_up = True
        logger.error("ability %s: %s", self.ability.service_id, report.detail)
        self._tell_trouble(report.detail, self._was_broken)

    def _tell_trouble(self, detail: str, is_broken: bool = False) -> None:
        self.trouble = detail
        self._keeper.tell_failure(self.ability.service_id, detail, is_broken)

    def _note_breakage(self) -> None:
        """Reads what a process that has ended said last, and tells callers if it was broken."""
        report = self._status.last()
        if report.is_broken:
            self._breakage, self._was_broken = report, True
            logger.error("%s was broken; its jobs run again: %s", self.name, report.detail)
            self._keeper.tell_failure(self.ability.service_id, report.detail, is_broken=True)
            self._keeper.count_break(self.ability.service_id)

    def _make_board(self) -> ProgressBoard:
        return ProgressBoard.create(self.ability.worker.concurrency, self.ability.worker.max_batch)

    def _last_calls(self) -> list[Call]:
        """Returns the calls under which the process ended; none where its own loop ended before them."""
        return [] if self._board.has_parted else self._calls() or []

    def _calls(self) -> list[Call] | None:
        """Returns the calls that go on; None if that cannot be read now."""
        try:
            return self._board.calls()
        except UnsettledError:
            return None

    def _judge(self, now_s: float) -> Verdict | None:
        calls = self._calls()
        if calls is None:
            return None
        verdict = judge_calls(now_s, calls) or judge_canceled(
            now_s, calls, self._canceled_s, self.ability.limits.cancel_grace_s
        )
        # One that is leaving takes nothing from its queues any more, so its silence there says nothing.
        if verdict is not None or self.is_leaving:
            return verdict
        if self.is_ready:
            contact_s = self._keeper.in_contact_since_s
            return judge_pulse(now_s, calls, self._board.read_pulse(), self.ready_s, contact_s)
        load_s = self._load_timeout_s + (self._install_timeout_s if self.ability.worker.requirements else 0)
        if now_s - self.started_s > load_s + LOAD_GRACE_S:
            return Verdict(f"it did not become ready within {load_s:g} s")
        return None

    def _death(self, returncode: int) -> Death:
        reason = f"the worker process died under the job ({describe_exit(returncode)})"
        # Who is stopped on purpose and takes too long is killed; that is not its jobs' fault.
        is_fault = not (self.is_stopping or self.is_leaving)
        blamed = tuple(job_id for call in self._last_calls() for job_id in call.job_ids) if is_fault else ()
        verdict = self._verdict
        if verdict is not None:
            reason, blamed = verdict.reason, verdict.blamed
        breakage = self._breakage
        if breakage is not None:
            reason, blamed = breakage.detail, breakage.blamed
        return Death(
            reason=reason,
            blamed=blamed,
            max_attempts=self.ability.limits.max_attempts,
            dead_ttl_s=self._keeper.dead_ttl_s,
            overran=verdict is not None and verdict.overran,
            is_broken=breakage is not None,
            overrun_message=reason,
            worker=self.node_name,
            service_id=self.ability.service_id,
            gpu_type=self.placement.gpu_type,
            cause=cause_of_end(
                breakage is not None, verdict, self._has_served, not is_fault, returncode == EX_RECYCLED
            ),
        )
