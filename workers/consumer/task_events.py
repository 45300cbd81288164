"""What Celery's tools see of jobs: `inspect`, `stats`, `revoke`, and the events that Flower shows.

Jobs that come from gateways pass Celery's strategy and request by, which cost more than many a job itself.
What these do for tools is done here: revoked tasks, the sets that `inspect` lists, counts, and events.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.worker import state

from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from workers.consumer.event_budget import EventBudget
from workers.consumer.loop_calls import LoopCalls


class JobTask:
    """A job in the shape in which Celery's tools ask for a task.

    Attributes:
        argsrepr: what tools show as its arguments: names and sizes of inputs, never data.
        is_shown: whether its events are sent.
    """

    # Celery notes on requests what it likes; the dictionary for that is made when it does.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_board",
        "argsrepr",
        "id",
        "is_shown",
        "name",
        "queue",
        "time_start",
    )

    #: Redis has the job in the in-flight hash until its end.
    acknowledged = False

    def __init__(self, board: "TaskBoard", job_id: str, queue: str, argsrepr: str, is_shown: bool) -> None:
        self._board = board
        self.id = job_id
        self.name = board.service_id
        self.queue = queue
        self.argsrepr = argsrepr
        self.is_shown = is_shown
        self.time_start: float | None = None

    @property
    def task(self) -> Any:
        """Celery's object for the one task."""
        return self._board.task

    @property
    def eventer(self) -> Any:
        """Celery's event dispatcher of the moment."""
        return self._board.dispatcher

    @eventer.setter
    def eventer(self, eventer: Any) -> None:
        """Celery has a connection again, and a new dispatcher, which the board finds by itself."""

    def start(self) -> None:
        """Its inference call has begun."""
        self._board.on_started(self)

    def end(self, outcome: Outcome) -> None:
        """Redis has its outcome."""
        self._board.on_ended(self, outcome)

    def info(self, safe: bool = False) -> dict[str, Any]:
        """Returns what `inspect` prints."""
        return {
            "id": self.id,
            "name": self.name,
            "args": self.argsrepr,
            "kwargs": "{}",
            "type": self.name,
            "hostname": self._board.hostname,
            "time_start": self.time_start,
            "acknowledged": False,
            "delivery_info": {"exchange": "", "routing_key": self.queue, "priority": 0, "redelivered": None},
            "worker_pid": os.getpid(),
        }

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Celery's `revoke` with `terminate`."""
        pool.terminate_job(os.getpid(), signal)

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """Celery's cold shutdown, which drains the session next."""


class TaskBoard:
    """Shows the jobs of one worker process.

    A job is listed by `inspect reserved` while it waits if its events are sent, and by `inspect active` if it
    runs for long enough to be announced; all are counted.

    Args:
        entry: the worker; its jobs are shown under the name of its ability.
        task: Celery's object for the one task.
        budget: how many jobs a second send events.
        dispatcher: returns Celery's event dispatcher of the moment, which changes with the connection.
        calls: what is Celery's own is touched by its thread alone, whichever thread has a job.
    """

    def __init__(
        self,
        entry: WorkerEntry,
        task: Any,
        budget: EventBudget,
        dispatcher: Callable[[], Any],
        calls: LoopCalls,
    ) -> None:
        self.service_id = entry.service_id
        self.hostname = entry.name
        self.task = task
        self._budget = budget
        self._dispatcher = dispatcher
        self._calls = calls

    @property
    def dispatcher(self) -> Any:
        """Celery's event dispatcher of the moment."""
        return self._dispatcher()

    def is_revoked(self, job_id: str) -> bool:
        """Whether somebody has revoked the task before it came."""
        return job_id in state.revoked

    def receive(self, job_id: str, queue: str, argsrepr: str) -> JobTask:
        """Shows a job that waits in this worker."""
        task = JobTask(self, job_id, queue, argsrepr, self._budget.admits(time.monotonic()))
        if task.is_shown or signals.task_received.receivers:
            self._calls.do(self._show_received, task)
        return task

    def _show_received(self, task: JobTask) -> None:
        if task.is_shown:
            state.task_reserved(task)
            self._send(
                task,
                "task-received",
                name=task.name,
                args=task.argsrepr,
                kwargs="{}",
                root_id=task.id,
                parent_id=None,
                retries=0,
                eta=None,
                expires=None,
            )
        if signals.task_received.receivers:
            signals.task_received.send(sender=self, request=task)

    def on_revoked(self, task: JobTask) -> None:
        """Shows that a task was revoked and does not run."""
        self._send(task, "task-revoked", terminated=False, signum=None, expired=False)
        state.task_ready(task)

    def on_started(self, task: JobTask) -> None:
        """Shows that a job runs, and goes on to do so."""
        task.time_start = time.time()
        self._calls.do(self._show_started, task)

    def _show_started(self, task: JobTask) -> None:
        state.task_accepted(task)
        self._send(task, "task-started")

    def on_ended(self, task: JobTask, outcome: Outcome) -> None:
        """Shows how a job ended; most end before it was worth telling that they run."""
        if task.time_start is None:
            # `state.task_accepted` counts, and was not called for this one.
            state.total_count[task.name] += 1
            state.all_total_count[0] += 1
            if not task.is_shown:
                return
        self._calls.do(self._show_ended, task, outcome)

    def _show_ended(self, task: JobTask, outcome: Outcome) -> None:
        if task.time_start is None:
            self._send(task, "task-started")
        is_success = outcome.state is JobState.SUCCEEDED
        if is_success:
            result = f"{len(outcome.payload)} bytes"
            self._send(task, "task-succeeded", result=result, runtime=outcome.exec_ms / 1000)
        else:
            reason = f"{outcome.code}: {outcome.message}"
            self._send(
                task, "task-failed", exception=f"JobFailed({reason!r})", traceback=f"JobFailed: {reason}"
            )
        state.task_ready(task, successful=is_success)

    def _send(self, task: JobTask, type: str, **fields: Any) -> None:
        if task.is_shown:
            dispatcher = self.dispatcher
            if dispatcher is not None and dispatcher.enabled:
                dispatcher.send(type, uuid=task.id, **fields)
