"""The lead: who waits for bells, Celery's loop or an inference thread that has nothing else to do.

Where calls are short, most of a job's time in a worker is hand-overs between Celery's loop and the thread.
So the thread has the exchanges itself then, at the ends of calls, and waits for bells over a connection of
its own. Celery's loop keeps what does not lie on a job's way: remote control, events, tasks of other clients,
what is told now and then, and the look at a call that goes on for long after all.
"""

import logging
import time
from contextlib import AbstractContextManager
from typing import Any, Protocol

from celery.exceptions import WorkerShutdown
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from athena.errors import InternalError
from athena.plain_text import one_line
from athena.store.link import BlockingLink
from athena.store.scripts import Command
from workers.batching.batcher import Batcher
from workers.lease.bells import Bells
from workers.lease.exchange import Send

logger = logging.getLogger(__name__)

#: A bell that was lost with the worker it woke costs at most this long.
WAIT_S = 1.0

#: So often Celery's loop has a turn while it waits for no bell.
LOOK_S = 1.0


class Turns(Protocol):
    """A session, as far as its thread has turns of it."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held by whoever has a turn."""

    def may_lead(self, now_s: float) -> bool:
        """Whether a thread may have a turn."""

    @property
    def is_draining(self) -> bool:
        """Whether the session ends."""

    def ring_own(self) -> None:
        """Ends the worker's own wait for bells."""

    def must_look(self) -> bool:
        """Whether a queue may hold jobs without a bell that rings."""

    def exchange(self, now_s: float, send: Send | None) -> None:
        """Has an exchange: over the session's connection, with a take, or as `send` does, without one."""

    def hear(self, now_s: float, bell: str | None, taken: Any) -> None:
        """A bell rang, or None did in time; with it, what was taken."""

    def lose_wait(self) -> None:
        """The wait for bells has broken off; Redis may have given out jobs with it."""

    def wake_loop(self, after_s: float = 0) -> None:
        """Gives Celery's loop a turn."""


class Lead:
    """Lets the inference thread wait for bells while calls are short and jobs come.

    The first second without a job ends it, as does whatever is out of the ordinary; then Celery's loop waits.

    Args:
        turns: the session.
        ear: the thread's own connection.

    Attributes:
        loop_waits: whether Celery's loop waits for a bell.
        order: with what a turn of the thread wants to end Celery's loop, where that is to be raised.
    """

    def __init__(self, turns: Turns, ear: BlockingLink, bells: Bells, batcher: Batcher) -> None:
        self._turns = turns
        self._ear = ear
        self._bells = bells
        self._batcher = batcher
        self._is_held = False
        self._is_waiting = False
        self._is_called = False
        self._look_due_s = 0.0
        self._awaited_replies = 0
        self.loop_waits = False
        self.order: BaseException | None = None

    # Celery's loop asks:

    def keeps_loop_away(self, now_s: float) -> bool:
        """Whether Celery's loop is not to wait for bells, because the thread does, or will in a moment."""
        if self._is_held and (self._batcher.is_overlong(now_s) or not self._batcher.is_on_its_way):
            self._is_held = False
        if self._is_held and now_s >= self._look_due_s:
            # No bell gives the loop its turns meanwhile.
            self._look_due_s = now_s + LOOK_S
            self._turns.wake_loop(LOOK_S)
        return self._is_held

    def raise_order(self) -> None:
        """Ends Celery's loop if a turn of the thread wants that."""
        if self.order is not None:
            raise self.order

    # The thread asks:

    def serve(self) -> bool:
        """Tells what has ended, and waits for a bell; returns whether it may be called again.

        What goes wrong is Celery's loop's to deal with: it raises nothing.
        """
        try:
            if self._serve():
                return True
        except WorkerShutdown as order:
            self._break_off(order)
        except RedisError as error:
            logger.info("the loop waits for jobs again: %s", one_line(error))
            self._break_off(None)
        except Exception as error:
            logger.exception("an exchange of the inference thread failed")
            self._break_off(InternalError(f"the worker's loop failed: {one_line(error)}"))
        finally:
            # Whoever has called has put a job there before, which the thread finds now.
            self._is_called = False
        return False

    def rouse(self) -> None:
        """Ends the wait of the thread: there is something for it to do."""
        with self._turns.lock:
            # Where it waits for its turn still, no bell is needed: it sees that it was called.
            self._is_called = True
            if not self._is_waiting:
                return
            try:
                self._turns.ring_own()
            except RedisError as error:
                logger.info("cannot end the wait for bells, which ends by itself: %s", one_line(error))

    def _serve(self) -> bool:
        with self._turns.lock:
            now_s = time.monotonic()
            if self._is_called:
                return True
            if not self._turns.may_lead(now_s):
                self._give_up()
                return False
            self._is_held = True
            if self.loop_waits or self._turns.must_look():
                self._turns.exchange(now_s, None)
                # The loop hears the bell then, and waits for no other one.
                return not self.loop_waits
            self._awaited_replies = 0
            self._turns.exchange(now_s, self._send)
            if not self._awaited_replies:
                # There was nothing to exchange.
                self._send([])
        return self._await_bell()

    def _send(self, commands: list[Command]) -> list[Any]:
        """Sends commands, and behind them the wait for bells with the take that follows it."""
        bells, take = self._bells.begin()
        wait: list[Command] = [("BRPOP", *bells, str(WAIT_S))]
        if take is not None:
            wait.append(take.command)
        self._awaited_replies = len(wait)
        self._is_waiting = True
        self._ear.post([*commands, *wait])
        replies = self._ear.read(len(commands))
        for reply in replies:
            if isinstance(reply, NoScriptError):
                # The session's own connection knows what to do then.
                raise RedisConnectionError("Redis has forgotten the scripts")
        return replies

    def _await_bell(self) -> bool:
        rung, *taken = self._ear.read(self._awaited_replies)
        if isinstance(rung, Exception):
            raise rung
        with self._turns.lock:
            self._is_waiting = False
            now_s = time.monotonic()
            if self._turns.is_draining:
                # What came along goes back by the comparison with which the session ends.
                return False
            self._turns.hear(now_s, rung[0].decode() if rung else None, taken[0] if taken else None)
            if not rung:
                self._give_up()
        return bool(rung)

    def _give_up(self) -> None:
        """Leaves the next wait to Celery's loop."""
        self._is_held = False
        self._turns.wake_loop()

    def _break_off(self, order: BaseException | None) -> None:
        self._ear.close()
        with self._turns.lock:
            self._is_waiting = False
            self.order = self.order or order
            self._turns.lose_wait()
            self._give_up()
