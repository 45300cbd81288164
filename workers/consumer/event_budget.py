"""How many jobs a second Flower is shown. Pure."""


class EventBudget:
    """Lets the events of some jobs a second through: all of a job's events, or none.

    Three events a job are more than Flower can read when a worker runs thousands of jobs a second.
    """

    def __init__(self, jobs_per_s: int) -> None:
        self._jobs_per_s = jobs_per_s
        self._left = float(jobs_per_s)
        self._refilled_s = 0.0

    def admits(self, now_s: float) -> bool:
        """Takes one job out of the budget, if there is one left."""
        grown = self._left + (now_s - self._refilled_s) * self._jobs_per_s
        self._left = min(float(self._jobs_per_s), grown)
        self._refilled_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
