"""The end of a worker's session: what runs is finished, the rest goes back."""

import logging
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from athena.store.link import BlockingLink
from workers.batching.batcher import Batcher
from workers.lease.bells import Bells
from workers.lease.held_jobs import HeldJobs
from workers.lease.outbox import Outbox
from workers.lease.selection.demand import Demand

logger = logging.getLogger(__name__)

#: So often a worker that ends looks whether its last calls have ended, and tells again what was not heard.
DRAIN_STEP_S = 0.1

#: So long a broken process waits for calls that still go on in it.
BROKEN_GRACE_S = 2.0


class Drain:
    """Ends what one worker holds.

    Args:
        turn: has an exchange with Redis, at the time that it is given, and delivers nothing.
    """

    def __init__(
        self,
        link: BlockingLink,
        batcher: Batcher,
        held: HeldJobs,
        outbox: Outbox,
        demand: Demand,
        bells: Bells,
        turn: Callable[[float], None],
    ) -> None:
        self._link = link
        self._batcher = batcher
        self._held = held
        self._outbox = outbox
        self._demand = demand
        self._bells = bells
        self._turn = turn

    def run(self, grace_s: float) -> None:
        """Finishes what runs, for so long at most, and returns the rest."""
        if self._batcher.breakage is not None:
            grace_s = min(grace_s, BROKEN_GRACE_S)
        until_s = time.monotonic() + grace_s
        self._return_unstarted()
        self._demand.end()
        # First: the bell of what goes back would ring here, and the take behind the wait take it again.
        self._let_go_of_bells()
        # What goes back goes now: others may run it while the last calls go on here.
        self._tell()
        if not self._see_out(until_s):
            logger.error("an inference call did not end within %s s", grace_s)
        if self._outbox:
            untold = len(self._outbox)
            logger.error("cannot tell Redis what became of %d jobs; they go back to their queues", untold)

    def _return_unstarted(self) -> None:
        for job in map(self._held.holder_of, self._batcher.close()):
            if job is not None:
                self._held.drop(job)
                self._outbox.returned.append(job)
        self._outbox.returned += self._held.pop_undelivered()

    def _let_go_of_bells(self) -> None:
        """Ends the wait for bells, which nobody reads any more; what it brings along goes back."""
        try:
            self._link.run(self._bells.ring_own())
        except RedisError as error:
            logger.warning("cannot end the wait for bells: %s", error)
        # The bell has let the take run that waits behind it; the comparison returns its jobs. In any case: a
        # wait whose connection was lost counts as over here, and Redis may hear of that later.
        self._bells.awaited = None
        self._outbox.must_reconcile = True

    def _see_out(self, until_s: float) -> bool:
        """Tells how the last calls end, until Redis has taken it; returns whether all of them ended."""
        while True:
            left_s = until_s - time.monotonic()
            has_ended = self._batcher.join(max(0.0, min(DRAIN_STEP_S, left_s)))
            self._tell()
            if left_s <= 0 or (has_ended and not self._outbox):
                return has_ended
            # There is nothing to join any more, and Redis must not be asked without a pause.
            if has_ended:
                time.sleep(DRAIN_STEP_S)

    def _tell(self) -> None:
        try:
            self._turn(time.monotonic())
        except RedisError as error:
            # The next attempt is made over a new connection.
            logger.info("cannot tell Redis how the last jobs ended: %s", error)
