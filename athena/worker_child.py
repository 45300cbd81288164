"""Worker processes as their supervisor sees them: start order, heartbeat, time limits, death."""

import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Mapping, Sequence

from redis.exceptions import NoScriptError, RedisError

from athena.ability import Ability
from athena.errors import ExecTimeoutError, WorkerLostError
from athena.fleet import Failure
from athena.jobs import JobState
from athena.progress import ProgressBoard
from athena.redis_address import RedisAddress
from athena.redis_connections import client_of
from athena.store import FAILURES, Command, beat_command, fence_command, script_of
from athena.supervisor import Child, StartError, describe_exit
from athena.worker_launch import WorkerLaunch, WorkerReport

logger = logging.getLogger(__name__)

BEAT_S = 1.0

#: How far an inference call may run past its limit before its process is killed.
OVERDUE_GRACE_S = 1.0

#: Redis is asked from the supervisor's only thread, so it must not be waited for long.
REDIS_TIMEOUT_S = 2.0


class FleetKeeper:
    """Heartbeats for all workers of one supervisor, and the fencing of those that died."""

    def __init__(self, target: RedisAddress | str) -> None:
        self._client = client_of(target, REDIS_TIMEOUT_S)
        self._workers: list[WorkerChild] = []
        self._fences: list[Command] = []
        self._due_s = 0.0

    def add(self, worker: "WorkerChild") -> None:
        """Takes a worker into care."""
        self._workers.append(worker)

    def fence(self, command: Command) -> None:
        """Ends the jobs of a dead worker, now or as soon as Redis can be reached."""
        self._fences.append(command)
        self._send_fences()

    def tell_failure(self, service_id: str, detail: str) -> None:
        """Lets gateways know why an ability has no worker."""
        self._note(("HSET", FAILURES, service_id, Failure(detail, time.time()).encode()))

    def forget_failure(self, service_id: str) -> None:
        """Lets gateways know that it has one now."""
        self._note(("HDEL", FAILURES, service_id))

    def _note(self, command: Command) -> None:
        try:
            self._client.execute_command(*command)
        except RedisError as error:
            logger.info("cannot tell gateways how a worker started: %s", error)

    def on_tick(self, now_s: float) -> None:
        """Sends what is due; called by the supervisor."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + BEAT_S
        self._send_fences()
        self._send_beats()

    def _send_beats(self) -> None:
        alive = {worker.incarnation: worker for worker in self._workers if worker.is_ready}
        if not alive:
            return
        try:
            fenced = self._run(beat_command(alive))
        except RedisError as error:
            logger.warning("no heartbeat: %s", error)
            return
        for incarnation in fenced:
            worker = alive[incarnation.decode()]
            # One that stops has signed off by itself.
            if worker.is_running and not worker.is_stopping:
                logger.error("%s was fenced by another process; ending it", worker.name)
                worker.signal(signal.SIGKILL)

    def _send_fences(self) -> None:
        while self._fences:
            try:
                ended = self._run(self._fences[0])
            except RedisError as error:
                logger.warning("cannot end the jobs of a dead worker yet: %s", error)
                return
            del self._fences[0]
            if ended:
                logger.warning("ended %d jobs of a dead worker", len(ended))

    def _run(self, command: Command) -> list[bytes]:
        try:
            reply: list[bytes] = self._client.execute_command(*command)
        except NoScriptError:
            script = script_of(command)
            assert script is not None
            self._client.script_load(script.source)
            reply = self._client.execute_command(*command)
        return reply


class WorkerChild(Child):
    """One worker process after the other, of one ability on one GPU type."""

    def __init__(
        self, ability: Ability, gpu_type: str, index: int, keeper: FleetKeeper, grace_s: float
    ) -> None:
        super().__init__(f"worker {ability.service_id}", grace_s + 5)
        self.incarnation = ""
        self.ability = ability
        self._gpu_type = gpu_type
        self._node_name = f"{ability.service_id}.{gpu_type}.{index}@{socket.gethostname()}"
        self._keeper = keeper
        self._board = ProgressBoard.create(ability.worker.concurrency)
        self._status_read = self._status_write = -1
        self._status_text = b""
        self._is_overdue = False
        self._has_reported = False
        keeper.add(self)

    def command(self) -> Sequence[str]:
        """Returns the worker's command line."""
        return (sys.executable, "-P", "-m", "workers")

    def inherited_fds(self) -> Sequence[int]:
        """Returns the status pipe and the progress board."""
        return (self._status_write, self._board.fd)

    def environment(self) -> Mapping[str, str]:
        """Returns the start order and what pins the process to its device."""
        launch = WorkerLaunch(
            ability_dir=str(self.ability.path),
            incarnation=self.incarnation,
            name=self._node_name,
            gpu_type=self._gpu_type,
            status_fd=self._status_write,
            progress_fd=self._board.fd,
        )
        device = {"CUDA_VISIBLE_DEVICES": ""} if self._gpu_type == "cpu" else {}
        return {**launch.environment(), **device}

    def spawn(self) -> None:
        """Starts a process as a fresh incarnation."""
        self.incarnation = uuid.uuid4().hex
        self._is_overdue = False
        self._has_reported = False
        self._status_text = b""
        for thread in range(self.ability.worker.concurrency):
            self._board.end(thread)
        self._status_read, self._status_write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._status_read, False)
        super().spawn()
        os.close(self._status_write)

    def check_ready(self) -> bool:
        """Reads what the worker reports (see `Child.check_ready`)."""
        try:
            self._status_text += os.read(self._status_read, 65536)
        except BlockingIOError:
            return False
        line, newline, _ = self._status_text.partition(b"\n")
        if not newline:
            return False
        self._has_reported = True
        report = WorkerReport.decode(line)
        if not report.ready:
            self._keeper.tell_failure(self.ability.service_id, report.detail)
            raise StartError(f"ability {self.ability.service_id}: {report.detail}")
        self._keeper.forget_failure(self.ability.service_id)
        return True

    def on_tick(self, now_s: float) -> None:
        """Kills the process when an inference call runs past its limit."""
        if any(busy.is_overdue(now_s, OVERDUE_GRACE_S) for busy in self._board.busy()):
            self._is_overdue = True
            logger.error("%s: an inference call is past its limit; ending the process", self.name)
            self.signal(signal.SIGKILL)

    def on_exit(self, returncode: int) -> None:
        """Ends the jobs that the process held."""
        os.close(self._status_read)
        if not (self._has_reported or self._is_overdue or self.is_stopping):
            text = f"the worker process ended while it started ({describe_exit(returncode)})"
            self._keeper.tell_failure(self.ability.service_id, text)
        if self._is_overdue:
            limit_s = self.ability.limits.max_exec_s
            text = f"ran longer than {limit_s:g} s (limits.max_exec_s); its process was ended"
            command = fence_command(self.incarnation, JobState.TIMED_OUT, ExecTimeoutError.code, text)
        else:
            text = f"the worker process died under the job ({describe_exit(returncode)})"
            command = fence_command(self.incarnation, JobState.FAILED, WorkerLostError.code, text)
        self._keeper.fence(command)
