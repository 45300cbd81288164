"""Examples that gateways send through the queue at intervals, so that readiness means the whole way.

A worker that beats may still be deaf, and its queue may lead nowhere. What a canary finds is what the next
caller would find.
"""

import asyncio
import contextlib
import logging
import time
from typing import Any

import orjson

from api.background import BackgroundLoop
from api.gateway.errand import Errand
from api.gateway.gateway import Gateway
from api.gateway.submitter import Preference, Prepared, Submitter
from athena.errors import AthenaError, QueueFullError, StoreError, UnservedError
from athena.fleet.canary import NO_REPORT
from athena.operations.canaries import claim_turn, count_ended, end_turn, is_paused, read_reports
from athena.protocol.checks.schema import RequestSchema, validate_envelope
from athena.protocol.enums import HIGH, JobState
from athena.protocol.golden import difference
from athena.protocol.interface import Interface
from athena.store.submission import Reply

logger = logging.getLogger(__name__)

LOOK_S = 1.0

#: After a canary that failed, the next one is not waited for as long as usual.
AGAIN_S = 2.0

#: How much longer than two calls a canary may take: the one that runs when it comes, and its own.
MARGIN_S = 10.0


class _Patient:
    """The caller of a canary, who has nothing to give up and does not go away."""

    def release(self) -> None:
        """There is no body to let go of."""

    async def until_disconnect(self) -> None:
        """Never returns."""
        await asyncio.Event().wait()


class Canaries:
    """Sends the canaries whose turn this gateway gets, and learns how those of the others fared."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._submitter = Submitter(gateway)
        self._loop = BackgroundLoop("the look after canaries", self._look, lambda: LOOK_S)
        self._sent: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begins to look whose turn has come."""
        self._loop.start()

    async def close(self) -> None:
        """Gives up those that are on their way."""
        await self._loop.close()
        tasks = list(self._sent.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        try:
            await self._send_due()
        except StoreError as error:
            logger.debug("cannot look after canaries: %s", error)

    async def _send_due(self) -> None:
        served = list(self._gateway.watch.schemas.values())
        wanted = [(interface, schema) for interface, schema in served if interface.canary is not None]
        raw = await self._gateway.operate(read_reports()) if wanted else {}
        self._gateway.canaries.observe((interface for interface, _ in wanted), raw)
        for interface, schema in wanted:
            if not self._gateway.is_draining and interface.service_id not in self._sent:
                await self._send_in_turn(interface, schema)

    async def _send_in_turn(self, interface: Interface, schema: RequestSchema) -> None:
        assert interface.canary is not None
        service_id = interface.service_id
        hold_s = limit_s(interface) + interface.canary.every_s
        if await self._gateway.operate(claim_turn(service_id, self._gateway.id, hold_s)):
            task = asyncio.create_task(self._send(interface, schema))
            self._sent[service_id] = task
            task.add_done_callback(lambda _: self._sent.pop(service_id, None))

    async def _send(self, interface: Interface, schema: RequestSchema) -> None:
        """Sends one, and tells all gateways how it fared."""
        assert interface.canary is not None
        service_id, began_s = interface.service_id, time.monotonic()
        try:
            detail = await self._fault(interface, schema)
        except Exception:
            logger.exception("the canary of %s was lost here", service_id)
            detail = None
        took_s = time.monotonic() - began_s
        before = self._gateway.canaries.report(service_id) or NO_REPORT
        report = None
        if detail is not None:
            report = before.followed_by(time.time(), round(took_s * 1000, 3), detail)
        if detail:
            logger.warning("%s does not answer its example: %s", service_id, detail)
        elif report is not None and before.is_failing:
            logger.info("%s answers its example again", service_id)
        every_s = interface.canary.every_s
        next_s = min(every_s, AGAIN_S) if detail else every_s - took_s
        with contextlib.suppress(StoreError):
            await self._gateway.operate(end_turn(service_id, report, next_s))

    async def _fault(self, interface: Interface, schema: RequestSchema) -> str | None:
        """Returns what was wrong with a canary; "" for nothing, None if nobody can tell."""
        try:
            prepared = self._prepare(interface, schema)
            if await self._gateway.operate(is_paused(prepared[0].queue)):
                return None
            return await self._answered(interface, prepared)
        except UnservedError as error:
            return error.message
        except (QueueFullError, StoreError):
            # Jobs are many, or Redis is away: that is no fault of the ability, and is told elsewhere.
            return None
        except AthenaError as error:
            return f"the example was refused: {error.message}"

    def _prepare(self, interface: Interface, schema: RequestSchema) -> Prepared:
        """Makes a job of the example; one that is in no list, and before those that wait."""
        assert interface.example is not None
        header = {**interface.example.get("header", {}), "priority": HIGH}
        # Of the same id there would be one job only.
        header.pop("request_id", None)
        checked = validate_envelope(schema, {**interface.example, "header": header})
        submission, payload = self._submitter.prepare(interface, checked, b"", Preference())
        return submission._replace(app_id="", is_canary=True, max_queue_s=limit_s(interface)), payload

    async def _answered(self, interface: Interface, prepared: Prepared) -> str | None:
        self._gateway.check_room()
        service_id = interface.service_id
        ended_before = await self._gateway.operate(count_ended(service_id))
        reply = await Errand(self._gateway, *prepared, limit_s(interface)).run(_Patient())
        if reply is not None and reply.state not in (JobState.EXPIRED, JobState.CANCELED):
            fault = fault_of(interface, reply)
            return fault and f"{fault} ({await self._worker_of(reply)})"
        # Somebody has purged the queue, or this gateway ends.
        if self._gateway.patience.is_over or (reply is not None and reply.state is JobState.CANCELED):
            return None
        # Others were answered meanwhile: the workers are busy, and that is all.
        if await self._gateway.operate(count_ended(service_id)) > ended_before:
            return None
        return f"it was not answered within {limit_s(interface):g} s"

    async def _worker_of(self, reply: Reply) -> str:
        record = await self._gateway.read(reply.job_id)
        return record.worker if record is not None and record.worker else "of an unknown worker"


def limit_s(interface: Interface) -> float:
    """Returns how long a canary is waited for."""
    return 2 * interface.limits.max_exec_s + MARGIN_S


def fault_of(interface: Interface, reply: Reply) -> str:
    """Returns what is wrong with the answer to an example; "" for nothing."""
    if reply.state is not JobState.SUCCEEDED:
        return f"it ended as {reply.state}: {reply.message}"
    golden: dict[str, Any] | None = interface.canary.golden if interface.canary else None
    place = difference(golden, orjson.loads(reply.payload or b"null")) if golden else ""
    return f"its answer is not that of golden.json at {place}" if place else ""
