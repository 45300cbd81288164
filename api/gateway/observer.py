"""What a gateway knows of the fleet and of Redis, renewed each second.

It also does the janitor's work, because a gateway is there when no worker is.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping

from api.background import BackgroundLoop
from api.gateway.throughput import Throughput
from api.redis.link import RedisLink
from athena.errors import StoreError
from athena.fleet.view import HOSTS_S, FleetView
from athena.operations.observe import Observer, Pace, Sighting
from athena.operations.steps import run_steps_async
from athena.protocol.checks.schema import RequestSchema, build_envelope_schema
from athena.protocol.interface import Interface
from athena.settings import Settings
from athena.store.books.counts import ended_counts, fold_command
from athena.store.checks import MEMORY_SHARE, memory_share, settings_fault

logger = logging.getLogger(__name__)

OBSERVE_S = 1.0

#: How often it is asked how Redis is set once that was right: a failover or an operator may change it.
SETTINGS_S = 10.0


class GatewayObserver:
    """One gateway's picture of the rest.

    Attributes:
        fleet: which workers are alive.
        schemas: service_id -> interface, and the schema of its requests.
        memory_share: how much of its memory limit Redis uses; 0 without a limit.
        redis_info: what Redis said last of itself (INFO).
        has_settled: whether there was a moment when no ability waited for its first worker. One that loads
            later is no reason to take a gateway away from the others.
    """

    def __init__(self, settings: Settings, link: RedisLink) -> None:
        self._observer = Observer(settings, time.monotonic(), self._read_ability)
        self.fleet: FleetView = self._observer.fleet
        self.schemas: dict[str, tuple[Interface, RequestSchema]] = {}
        self.memory_share = 0.0
        self.redis_info: dict[str, str] = {}
        self.has_settled = False
        self._link = link
        self._throughputs: dict[str, Throughput] = {}
        # What is wrong with how Redis is set; None while nobody knows.
        self._settings_fault: str | None = None
        self._loop = BackgroundLoop("the look at the fleet", self._try_to_look, self._pause_s)
        self._first_look = asyncio.Event()

    async def start(self, timeout_s: float) -> None:
        """Begins to look, and waits for the first time; without Redis, not longer than the time given."""
        self._loop.start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_look.wait(), timeout_s)

    async def close(self) -> None:
        """Stops."""
        await self._loop.close()

    @property
    def has_looked(self) -> bool:
        """Whether it has read which abilities there are."""
        return self._first_look.is_set()

    @property
    def has_sound_redis(self) -> bool:
        """Whether Redis is known to be set as it must be."""
        return self._settings_fault == ""

    @property
    def is_redis_full(self) -> bool:
        """Whether Redis is too near its memory limit for new jobs."""
        return self.memory_share > MEMORY_SHARE

    @property
    def loading(self) -> list[str]:
        """The abilities whose first worker is about to serve."""
        return self.fleet.loading(time.monotonic())

    @property
    def broken(self) -> list[str]:
        """The abilities of which every worker is broken."""
        return self.fleet.unserved_because_broken(time.monotonic())

    def retry_after_s(self, service_id: str, depth: int) -> int:
        """Returns when a full queue will have been worked off."""
        return self._throughputs.get(service_id, Throughput()).retry_after_s(depth)

    def _pause_s(self) -> float:
        # Sooner while the next look may bring what callers wait for: an ability, a ready gateway.
        return OBSERVE_S if self.schemas and self.has_settled else OBSERVE_S / 5

    async def _try_to_look(self) -> None:
        try:
            await self.look()
        except StoreError as error:
            # The link tells of a lost Redis.
            logger.debug("cannot observe the fleet: %s", error)

    async def look(self) -> None:
        """Looks once.

        Raises:
            StoreError: Redis cannot be reached, or a key of the registry is of a wrong kind.
        """
        now_s = time.monotonic()
        pace = Pace(
            abilities_s=0,
            hosts_s=HOSTS_S if self.has_settled else 0,
            server_s=SETTINGS_S if self.has_sound_redis else 0,
        )
        steps = self._observer.look(now_s, time.time(), pace)
        self._note(await run_steps_async(steps, self._link.execute))
        await self._measure(now_s)

    def _note(self, seen: Sighting) -> None:
        for service_id in seen.forgotten:
            self.schemas.pop(service_id, None)
            self._throughputs.pop(service_id, None)
        if seen.memory is not None:
            self.memory_share = memory_share(seen.memory)
            self.redis_info.update(seen.memory)
        if seen.server is not None:
            self._note_settings(seen.server)
            self.redis_info.update(seen.server)
        self.has_settled = self.has_settled or not self.loading
        self._first_look.set()

    def _note_settings(self, info: Mapping[str, str]) -> None:
        fault = settings_fault(info)
        if fault and fault != self._settings_fault:
            logger.error("not ready: %s", fault)
        elif self._settings_fault and not fault:
            logger.warning("Redis is set as it must be again")
        self._settings_fault = fault

    async def _measure(self, now_s: float) -> None:
        service_ids = list(self.schemas)
        if not service_ids:
            return
        reply = await self._link.execute(fold_command(service_ids))
        for service_id, ended in ended_counts(service_ids, reply).items():
            self._throughputs.setdefault(service_id, Throughput()).observe(now_s, ended)

    def _read_ability(self, raw: bytes) -> Interface:
        """Reads an interface, and keeps the schema of its requests."""
        interface = Interface.decode(raw)
        self.schemas[interface.service_id] = (interface, build_envelope_schema(interface))
        return interface
