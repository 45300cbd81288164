"""Makes the faults of a schedule at their times, several at once where they may go on beside each other."""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from tests.chaos.faults import Faults
from tests.chaos.history import History
from tests.chaos.schedule import Planned
from tests.chaos.stage import Stage
from tests.chaos.traits import TRAITS


@dataclass
class Outcomes:
    """What came of the faults.

    Attributes:
        recoveries_s: seconds until all was whole again, by fault.
        stuck: faults after which something was not whole in time.
        missed: faults that found nothing to break: another one had ended it already.
        left_out: how many were not begun in time, since those before took longer than they should.
    """

    recoveries_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stuck: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    left_out: int = 0


class Director:
    """Follows a plan; each fault has a thread of its own."""

    def __init__(self, stage: Stage, faults: Faults, history: History, overlap: int) -> None:
        self.outcomes = Outcomes()
        self._stage = stage
        self._faults = faults
        self._history = history
        self._overlap = overlap
        self._changed = threading.Condition()
        self._going_on: list[Planned] = []

    def follow(self, plan: Sequence[Planned], span_s: float) -> Outcomes:
        """Makes each fault at its time, or later, but not after the span; returns when all is whole again."""
        began_s = time.monotonic()
        threads: list[threading.Thread] = []
        for planned in plan:
            time.sleep(max(0.0, began_s + planned.at_s - time.monotonic()))
            self._await_turn(planned)
            if time.monotonic() > began_s + span_s:
                self.outcomes.left_out = len(plan) - len(threads)
                break
            threads.append(threading.Thread(target=self._make, args=(planned,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        return self.outcomes

    def _await_turn(self, planned: Planned) -> None:
        """Waits where an earlier fault takes longer than such faults do."""
        with self._changed:
            self._changed.wait_for(lambda: self._may_begin(planned))
            self._going_on.append(planned)

    def _may_begin(self, planned: Planned) -> bool:
        trait = TRAITS[planned.name]
        excluded = any(trait.excludes(TRAITS[other.name]) for other in self._going_on)
        return len(self._going_on) < self._overlap and not excluded

    def _make(self, planned: Planned) -> None:
        name, trait = planned.name, TRAITS[planned.name]
        self._history.note("hosts", workers=self._stage.pids())
        hosts = {word: sorted(getattr(trait, word)) for word in ("severs", "stops", "mutes")}
        self._history.note("fault", fault=name, number=planned.number, **hosts)
        told, is_whole = self._told(planned)
        if is_whole:
            # What was never whole again may shut workers out until the run's end.
            self._history.note("mended", number=planned.number)
        # One write: others tell of theirs at the same time.
        sys.stderr.write(f"  {time.strftime('%H:%M:%S')}  {name}: {told}\n")
        with self._changed:
            self._going_on.remove(planned)
            self._changed.notify_all()

    def _told(self, planned: Planned) -> tuple[str, bool]:
        """Makes a fault; returns what is to be said of it, and whether all is whole."""
        try:
            took_s = self._faults.run(planned.name, planned.seed)
        except TimeoutError as error:
            self.outcomes.stuck.append(f"{planned.name}: {error}")
            return str(error), False
        except psutil.NoSuchProcess as error:
            self.outcomes.missed.append(planned.name)
            return f"missed: process {error.pid} had ended before", True
        except Exception as error:
            # A thread's exception would be told to nobody, and the run would pass without the fault.
            self.outcomes.stuck.append(f"{planned.name}: {error!r}")
            return repr(error), False
        self.outcomes.recoveries_s[planned.name].append(took_s)
        return f"{took_s:.2f} s", True
