"""Abilities whose folders were edited: their workers are replaced, one after the other."""

from collections.abc import Iterable

from athena.supervisor.rolling_restart import Turn
from athena.supervisor.worker_child import WorkerChild


class Reload:
    """The replacement of one ability's workers after an edit; call `step` regularly.

    Args:
        turn: of the ability; shared with the operators' restarts.
        edited_s: processes that were started before this are to be replaced.
    """

    def __init__(self, turn: Turn, edited_s: float) -> None:
        self._turn = turn
        self._edited_s = edited_s
        self._tried: list[WorkerChild] = []

    def step(self, present: Iterable[WorkerChild]) -> bool:
        """Goes on with the next worker when it is time; returns whether there is more to do.

        What one of them cannot load, the others need not try.

        Args:
            present: the ability's workers in the plan.
        """
        last = self._tried[-1] if self._tried else None
        if last is not None and last.successor is not None:
            return True
        if last is not None and last.refusal:
            return False
        left = [worker for worker in present if self._is_left(worker)]
        if not left:
            return False
        worker = left[0]
        # One that loads for the first time may have read what was there before; it is asked then.
        is_loading = worker.is_running and not worker.is_ready
        if is_loading or worker.is_leaving or not self._turn.take(worker):
            return True
        self._tried.append(worker)
        return worker.restart()

    def _is_left(self, worker: WorkerChild) -> bool:
        return worker.is_wanted and worker not in self._tried and worker.started_s < self._edited_s
