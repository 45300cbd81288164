"""How many jobs an ability's workers end in a second, as measured; pure."""

import math
from collections import deque

#: The rate is that of this long a time.
WINDOW_S = 30.0

#: What a caller is told to wait when nothing ends at all.
STANDSTILL_S = 60


class Throughput:
    """The rate of one ability, from a counter that is read now and then."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque()

    def observe(self, now_s: float, ended: int) -> None:
        """Takes in a reading of the counter."""
        if self._readings and ended < self._readings[-1][1]:
            # The counter began anew, or Redis is back at an older state.
            self._readings.clear()
        self._readings.append((now_s, ended))
        while now_s - self._readings[0][0] > WINDOW_S:
            self._readings.popleft()

    @property
    def rate(self) -> float:
        """Jobs a second; 0 when none ended, or nothing is known yet."""
        if len(self._readings) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._readings[0], self._readings[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def retry_after_s(self, depth: int) -> int:
        """Returns after how many seconds a full queue of `depth` jobs will have been worked off."""
        if self.rate <= 0:
            return STANDSTILL_S
        return max(1, min(STANDSTILL_S, math.ceil(depth / self.rate)))
