"""In which order a worker empties its queues: lanes, and turns among queues of one lane. Pure.

The rules:

- High before normal before low. A job of the high lane is taken before any of the others that waits.
- A lower lane is passed over nine times at most: of ten jobs that a worker takes while all lanes have some,
  one is low; and while the high lane never empties, one of ten is normal. So low jobs get a tenth of the
  fleet at least, whatever else is sent.
- Within a lane, the queues of the GPU, of its type and `any` take turns in being first.
"""

from collections import deque
from collections.abc import Iterable

from athena.jobs.queues import ANY, QueueName, queue_name
from athena.protocol.enums import HIGH, LOW, NORMAL
from athena.store.lease import Draw

#: A lower lane gets one of so many jobs, at least.
TURN = 10

#: How many turns a lane that was empty may be behind: it must not make up for times when nobody waited in it.
MAX_BEHIND = 2

_BELOW = {HIGH: (NORMAL, LOW), NORMAL: (LOW,), LOW: ()}


class TakeOrder:
    """The queues of one worker.

    Args:
        service_id: its ability.
        gpu_type: its GPU's type, or `cpu`.
        gpu_id: UUID of its GPU; "" on the CPU.
    """

    def __init__(self, service_id: str, gpu_type: str, gpu_id: str = "") -> None:
        shared = (gpu_type, ANY)
        self._lanes = {
            HIGH: deque(queue_name(service_id, target, HIGH) for target in shared),
            NORMAL: deque(
                queue_name(service_id, target) for target in ((gpu_id, *shared) if gpu_id else shared)
            ),
            LOW: deque(queue_name(service_id, target, LOW) for target in shared),
        }
        # How many jobs of higher lanes were taken since it was a lower one's turn.
        self._credit = {NORMAL: 0, LOW: 0}
        self._most = MAX_BEHIND * TURN
        self.queues = [queue for lane in self._lanes.values() for queue in lane]
        self.urgent_queues = list(self._lanes[HIGH])

    def draw(self, count: int) -> list[Draw]:
        """Returns the order in which `count` jobs are to be taken now."""
        self._most = MAX_BEHIND * max(TURN, count)
        due = []
        for lane in (LOW, NORMAL):
            limit = (self._credit[lane] + count) // TURN
            if limit:
                due.append(Draw(self._lanes[lane][0], limit))
        everything = [Draw(queue) for lane in self._lanes.values() for queue in lane]
        for lane_queues in self._lanes.values():
            lane_queues.rotate(-1)
        return due + everything

    def draw_urgent(self) -> list[Draw]:
        """Returns where a worker looks that only takes jobs of the high lane."""
        self._lanes[HIGH].rotate(-1)
        return [Draw(queue) for queue in self._lanes[HIGH]]

    def note(self, queues: Iterable[str]) -> None:
        """Takes in from which queues jobs came."""
        for queue in queues:
            lane = QueueName.parse(queue).lane
            for lower in _BELOW[lane]:
                self._credit[lower] = min(self._most, self._credit[lower] + 1)
            if lane in self._credit:
                self._credit[lane] = max(-TURN, self._credit[lane] - TURN + 1)
