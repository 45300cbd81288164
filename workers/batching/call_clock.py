"""When a worker looks for the jobs of its next call: late, so that the first free worker gets a job. Pure."""

#: So long before the end of a call its worker looks for the next call's jobs, but not before …
REFILL_S = 0.05

#: … this share of the call is left. Calls take now less, now more than those before.
REFILL_SHARE = 0.15

#: A call that is shorter is over before another thread could do something useful beside it.
SHORT_S = 0.002

#: Beside a call that is longer, another thread may make the next one's inputs ready: beside a shorter one the
#: two of them would mostly wait for each other's turn in the interpreter.
PREPARE_S = 0.01

#: And one that goes on for so long is none of the short ones.
OVERLONG_S = 0.05

#: How much the last call counts against those before it.
_WEIGHT = 0.2


class CallClock:
    """Times the calls of one inference thread, and guesses how long the running one will go on."""

    def __init__(self) -> None:
        self.typical_s = 0.0
        self._begun_s: float | None = None

    def begin(self, now_s: float) -> None:
        """A call begins."""
        self._begun_s = now_s

    def end(self, now_s: float) -> None:
        """It is over."""
        if self._begun_s is None:
            return
        took_s = now_s - self._begun_s
        self._begun_s = None
        # The first counts in full: a guess that grew from 0 would be too short for many calls.
        self.typical_s += (took_s - self.typical_s) * (_WEIGHT if self.typical_s else 1)

    @property
    def is_running(self) -> bool:
        """Whether a call goes on."""
        return self._begun_s is not None

    @property
    def is_short(self) -> bool:
        """Whether calls are short, as far as one knows."""
        return 0 < self.typical_s <= SHORT_S

    @property
    def leaves_time(self) -> bool:
        """Whether there is time to make the next call's inputs ready beside one, as far as one knows."""
        return self.typical_s > PREPARE_S

    def is_overlong(self, now_s: float) -> bool:
        """Whether a call goes on that is none of the short ones."""
        begun_s = self._begun_s
        return begun_s is not None and now_s - begun_s > OVERLONG_S

    def until_refill_s(self, now_s: float) -> float:
        """Returns in how many seconds it is time to look for the next call's jobs; 0 for now."""
        # Read once: the inference thread may end the call meanwhile.
        begun_s = self._begun_s
        if begun_s is None:
            return 0.0
        rest_s = begun_s + self.typical_s - now_s
        return max(0.0, rest_s - max(REFILL_S, self.typical_s * REFILL_SHARE))
