"""Queues that a worker leaves alone, because the job at their head is for a newer worker. Pure.

To take such a job and to give it back changes nothing and may go on for ever. So the worker takes from the
queue no more until it has looked at its head, without taking it, and has understood what lies there. A newer
worker that takes the job uncovers the next one.
"""

from collections.abc import Container
from dataclasses import dataclass

#: The head of a queue is looked at again after so long, and after twice as long each time in vain.
FIRST_LOOK_S = 0.25
LAST_LOOK_S = 5.0


@dataclass
class _Hold:
    job_id: str
    wait_s: float
    due_s: float


class QueueHolds(Container[str]):
    """The held queues of one worker, by their names."""

    def __init__(self) -> None:
        self._holds: dict[str, _Hold] = {}

    def __contains__(self, queue: object) -> bool:
        return queue in self._holds

    def hold(self, queue: str, job_id: str, now_s: float) -> bool:
        """Leaves a queue alone because of the job at its head; returns whether that is news."""
        hold = self._holds.get(queue)
        if hold is None:
            self._holds[queue] = _Hold(job_id, FIRST_LOOK_S, now_s + FIRST_LOOK_S)
            return True
        hold.wait_s = min(LAST_LOOK_S, 2 * hold.wait_s)
        hold.due_s = now_s + hold.wait_s
        is_news, hold.job_id = hold.job_id != job_id, job_id
        return is_news

    def release(self, queue: str) -> None:
        """Takes from a queue again."""
        self._holds.pop(queue, None)

    def clear(self) -> None:
        """Looks at no queue any more."""
        self._holds.clear()

    def due(self, now_s: float) -> list[str]:
        """Returns the queues at whose heads it is time to look."""
        return [queue for queue, hold in self._holds.items() if now_s >= hold.due_s]
