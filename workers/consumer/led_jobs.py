"""Jobs that an inference thread has taken itself, on their way to it or to Celery's loop."""

from collections import deque
from collections.abc import Callable

import orjson

from athena.jobs.celery_message import argument_of
from athena.store.lease import TakenJob
from workers.consumer.task_events import TaskBoard
from workers.consumer.task_headers import check_headers
from workers.lease.session import WorkerSession


class LedJobs:
    """Hands ordinary jobs of gateways to the session; all others wait for Celery's loop.

    Args:
        wake: gives the loop a turn, from any thread.
    """

    def __init__(self, session: WorkerSession, board: TaskBoard, wake: Callable[[], None]) -> None:
        self._session = session
        self._board = board
        self._wake = wake
        self._others: deque[TakenJob] = deque()

    def deliver(self, job: TakenJob) -> None:
        """Hands a job on, in the thread that has taken it."""
        try:
            document = orjson.loads(job.message)
            headers = document["headers"]
            check_headers(headers)
            is_ordinary = bool(headers.get("athena")) and not self._board.is_revoked(job.job_id)
            argument = argument_of(document) if is_ordinary else None
        except Exception:
            # Whatever is wrong with it, the loop looks at it once more, and says so.
            is_ordinary = False
        if not is_ordinary:
            self._others.append(job)
            self._wake()
            return
        task = self._board.receive(job.job_id, job.queue, headers.get("argsrepr", ""))
        self._session.accept(job.job_id, argument, task.start, task.end)

    def take_others(self) -> list[TakenJob]:
        """Returns what waits for the loop, and leaves it to the loop."""
        others = []
        while self._others:
            others.append(self._others.popleft())
        return others
