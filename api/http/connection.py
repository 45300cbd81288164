"""One connection: its requests are answered in their order, and it ends without losing an answer."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from api.gateway.gate import GONE, Visit
from api.http.asgi import Answer
from api.http.framing import BETWEEN, BODY, HEAD
from api.http.heads import BROWSER_RULES, PAGE_RULE, PAGE_RULES, Headers
from api.http.open_heads import OpenHeads
from api.http.patience import (
    HALF_CLOSED_S,
    HEAD_S,
    LINGER_BYTES,
    LINGER_S,
    WRITE_S,
    Admission,
    Doors,
    is_body_late,
    is_reset,
    peer_of,
)
from api.http.problems import problem_answer
from api.http.request_body import ByteBudget
from api.http.turns import Turns
from athena.errors import AthenaError, GatewayError, QueueFullError, QuotaError, SlowRequestError

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(Turns):
    """A connection and its requests; uvicorn's server makes and ends it.

    What waits for its turn behind the request that is being answered counts in the budget, and nothing more
    is read meanwhile. `tick` is called once a second; nothing else measures time: no request costs a timer.
    """

    budget: ByteBudget
    open_heads: OpenHeads
    doors: Doors
    idle_s: float

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, _loop or asyncio.get_running_loop())
        # What is wrong with what came after all these.
        self._last_words: Answer | None = None
        self._claimed_bytes = 0
        self._is_paused = False
        self.is_write_paused = False
        self._writable: asyncio.Event | None = None
        self.is_leaving = False
        self._is_lingering = False
        self._has_eof = False
        self._was_asked = False
        self.has_been_served = False
        self.origin = ""
        #: When what is happening now began: silence, a head, a body, the end.
        self.since_s = 0.0
        self._stage_noted: tuple[int, Headers] | None = None
        self._received_bytes = 0
        self._stuck: tuple[int, float] = (0, 0.0)
        # Over TLS asyncio ends both sides at once.
        self._can_half_close = True

    # What the loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called with each new connection."""
        self.transport = transport
        self.since_s = self.loop.time()
        others = self.state.connections
        self._can_half_close = transport.can_write_eof()
        self.peer = peer_of(transport)
        admission = self.doors.admit(self, self.peer, others)  # type: ignore[arg-type]
        others.add(self)  # type: ignore[arg-type]
        if admission is not Admission.ADMITTED:
            self._say(problem_answer(_turned_away(admission)))
            self._end_input()
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is gone."""
        self._depart()
        self._end_input()
        self.lose_waiting()
        self._give_back()
        # Parser and connection hold each other, and the garbage collector looks rarely here.
        self._receiving, self.parser = None, None
        # An exchange that waits until it can write would wait for ever.
        self.resume_writing()
        if self.running is not None:
            running, self.running = self.running, None
            self.http.count(running.service_id, GONE, self.http.now() - running.began_s)
            running.lose_caller()

    def data_received(self, data: bytes) -> None:
        """Called with what has come."""
        if self.is_input_over:
            self._throw_away(len(data))
            return
        self.receive(data)
        if self.stage != BETWEEN or self.waiting or self.held is not None:
            self._note_unfinished(len(data))
        elif self._claimed_bytes:
            self._claim()

    def eof_received(self) -> bool:
        """Called when the caller has ended his side; returns whether he may still wait for an answer."""
        if self.stage != BETWEEN:
            self.drop_unfinished(GONE)
        self._end_input()
        self._has_eof = True
        self.since_s = self.loop.time()
        return self.running is not None and not self._is_lingering and self._can_half_close

    def pause_writing(self) -> None:
        """Called when the caller does not take what is written."""
        self.is_write_paused = True

    def resume_writing(self) -> None:
        """Called when he does again."""
        self.is_write_paused = False
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # What uvicorn's server and the sweep call.

    def shutdown(self) -> None:
        """Closes as soon as what has begun is answered."""
        self.is_leaving = True
        if self.running is None and self.stage == BETWEEN and not self._is_lingering:
            self.transport.close()

    def end_receiving(self) -> None:
        """Refuses what has not come yet: there is no time left."""
        if self.stage != BETWEEN and not self.is_input_over:
            self.refuse(GatewayError("the gateway is ending; send the request again", retry_after_s=1))

    @property
    def is_silent(self) -> bool:
        """Whether no request is being received or answered, but for a head."""
        return self.running is None and self.stage != BODY

    def close_silent(self) -> None:
        """Ends a connection that is silent."""
        self._end_input()
        # At once: the loop tells of the loss only after the new one was counted.
        self._depart()
        self.transport.abort()

    def _depart(self) -> None:
        self.state.connections.discard(self)
        self.doors.leave(self)

    def tick(self, now_s: float) -> None:
        """Ends what takes too long."""
        age_s = now_s - self.since_s
        if self._is_stuck(now_s) or (self._is_lingering and age_s > LINGER_S):
            self.transport.abort()
        elif self._is_paused:
            # He would send more if he could.
            self.since_s = now_s
        elif self._has_eof:
            self._look_for_caller(age_s)
        elif self.is_input_over:
            pass
        elif self.stage == HEAD and age_s > HEAD_S:
            self.refuse(SlowRequestError(f"the request's head took longer than {HEAD_S:g} s"))
        elif self.stage == BODY and is_body_late(age_s, self._received_bytes):
            self.refuse(SlowRequestError(f"the request's body stopped coming after {age_s:.0f} s"))
        elif self.is_silent and self.stage == BETWEEN and age_s > self._silence_s():
            self.transport.close()

    def _silence_s(self) -> float:
        return self.idle_s if self.has_been_served else min(self.idle_s, HEAD_S)

    def _is_stuck(self, now_s: float) -> bool:
        """Whether the caller has taken nothing of what was written, for long."""
        pending = self.transport.get_write_buffer_size()
        if not pending or pending != self._stuck[0]:
            self._stuck = (pending, now_s)
        # Who still takes his last answer is not idle.
        if pending and self.is_silent:
            self.since_s = now_s
        return now_s - self._stuck[1] > WRITE_S

    def _look_for_caller(self, age_s: float) -> None:
        """Tells a caller who has only ended his side from one who is gone: his kernel resets the connection.

        Until something is written to him both look the same, so he is sent a word that every client skips.
        """
        if self.running is None or age_s < HALF_CLOSED_S:
            return
        # HTTP/1.0 has no 1xx (RFC 9110, 15.2), so there is no word to try.
        if self.version == "1.0" or is_reset(self.transport):
            self.transport.abort()
        else:
            self.transport.write(CONTINUE)

    # What the parser's side calls.

    def refuse(self, error: AthenaError) -> None:
        """What comes cannot be understood or is too slow: the caller hears of it when it is its turn."""
        if self.stage == BODY:
            has_answer = not self.drop_unfinished(error.http_status)
        else:
            self.leave_unanswered(error.http_status)
            has_answer = False
        self._last_words = None if has_answer else problem_answer(error)
        # Of thousands that are refused at once, what they have sent would be kept as long as they linger.
        self.headers, self._stage_noted = [], None
        self._end_input()
        if self.running is None:
            self._end()

    def unclaimed_bytes(self) -> int:
        """Returns how much is held that no request has claimed from the budget."""
        return self.open_bytes + len(self.held or b"") + sum(len(exchange.body) for exchange in self.waiting)

    def _end_input(self) -> None:
        self.is_input_over = True
        self.held = None
        self.open_bytes = 0
        self.leave_unanswered(GONE)

    def _note_unfinished(self, size_bytes: int) -> None:
        """Something of what has come is not a whole request yet, or waits."""
        noted = (self.stage, self.headers)
        # By the list itself: the next request may have equal headers, and has its own time.
        if (
            self._stage_noted is None
            or noted[0] != self._stage_noted[0]
            or noted[1] is not self._stage_noted[1]
        ):
            self._stage_noted = noted
            self._received_bytes = 0
            self.since_s = self.loop.time()
        self._received_bytes += size_bytes
        self._claim()
        if self.waiting or self.held is not None:
            self.pause_reading()

    def _claim(self) -> None:
        more = self.unclaimed_bytes() - self._claimed_bytes
        try:
            if more > 0:
                self.budget.take(more, self._claimed_bytes)
            else:
                self.budget.give_back(-more)
            self._claimed_bytes += more
        except QueueFullError as error:
            # The refusal takes the place of what has come last; of what is still coming it does so anyway.
            if self.stage != BODY:
                self.lose_last(error.http_status)
            self.refuse(error)
        else:
            self.open_heads.note(self, self.open_bytes if self.stage == HEAD else 0, len(self.headers))

    def _give_back(self) -> None:
        self.open_heads.note(self, 0)
        self.budget.give_back(self._claimed_bytes)
        self._claimed_bytes = 0

    def _throw_away(self, size_bytes: int) -> None:
        self._received_bytes += size_bytes
        if self._received_bytes > LINGER_BYTES:
            self.transport.abort()

    # What calls and exchanges use.

    def ask_for_body(self) -> None:
        """Tells the caller that his body is awaited."""
        self.transport.write(CONTINUE)

    def pause_reading(self) -> None:
        """Reads nothing for now."""
        if not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Reads on, unless something that came waits for its turn."""
        if self._is_paused and not self.waiting and self.held is None and not self.transport.is_closing():
            self._is_paused = False
            self.since_s = self.loop.time()
            self.transport.resume_reading()

    async def until_writable(self) -> None:
        """Returns when the caller has taken enough of what was written before."""
        if self.is_write_paused:
            self._writable = self._writable or asyncio.Event()
            await self._writable.wait()

    def must_leave(self) -> bool:
        """Whether the caller is to open a new connection for his next request."""
        return self.is_leaving

    def respond(self, call: Any, status: int, headers: Headers, body: bytes) -> None:
        """Writes an answer, and goes on to the next request."""
        if call is not self.running:
            return
        self.running = None
        self.has_been_served = True
        self.state.total_requests += 1
        # What has come is answered first, or its caller would never hear of it.
        is_last = not self.waiting and self.held is None and self._last_words is None
        closes = not call.keep_alive or (is_last and (self.must_leave() or self._has_eof))
        self._was_asked = not call.keep_alive and self.is_input_over
        visit: Visit | None = call.visit
        if visit is not None:
            headers = [*headers, *visit.fields]
            visit.leave(status)
        self.http.count(call.service_id, status, self.http.now() - call.began_s, len(body))
        self._write(status, headers, body, closes)
        if closes:
            self._close()
        else:
            self._go_on()

    def _go_on(self) -> None:
        self.since_s = self.loop.time()
        if self.waiting:
            self.start(self.waiting.pop(0))
        elif self._last_words is not None:
            self._end()
            return
        if self._claimed_bytes:
            self._claim()
        if self.held is not None:
            # Not at once: an answer may come from within a callback of the parser.
            self.loop.call_soon(self._read_held)
        else:
            self.resume_reading()

    def _read_held(self) -> None:
        if self.held is None or self.transport.is_closing():
            return
        self.receive_held()
        self._note_unfinished(0)
        self.resume_reading()

    # How it ends.

    def _end(self) -> None:
        """Says what is wrong with what came last, and closes."""
        if self._last_words is not None:
            self._say(self._last_words)
        self._close()

    def _say(self, answer: Answer) -> None:
        # What is no whole request is for no ability.
        self.http.count("", answer.status, 0.0)
        self._write(answer.status, answer.fields(), answer.body, True)

    def _write(self, status: int, headers: Headers, body: bytes, closes: bool) -> None:
        lines = [b"%s: %s\r\n" % header for header in headers]
        if closes:
            lines.append(b"connection: close\r\n")
        # Two policies would both count.
        rules = PAGE_RULES if PAGE_RULE in lines else BROWSER_RULES
        self.transport.write(b"".join((STATUS_LINE[status], *lines, rules, b"\r\n", body)))

    def _close(self) -> None:
        """Closes; where the caller may still be sending, once he has stopped."""
        self._end_input()
        self.lose_waiting()
        self._give_back()
        # A caller who ended his side, or asked for the end, sends no more that could be left unread. Over TLS
        # no other sign of the end can be given, and one who waits for it would wait as long as this lingers.
        if self._has_eof or (self.stage == BETWEEN and (self._was_asked or not self._can_half_close)):
            self.transport.close()
            return
        self._is_lingering = True
        self.since_s, self._received_bytes = self.loop.time(), 0
        if self._can_half_close:
            self.transport.write_eof()
        self.resume_reading()


def _turned_away(admission: Admission) -> AthenaError:
    if admission is Admission.CROWD:
        return QuotaError(
            "this address has as many connections as one may have (ATHENA_MAX_CONNECTIONS_PER_ADDRESS)",
            retry_after_s=1,
        )
    return GatewayError("the gateway has no room for more callers", retry_after_s=1)
