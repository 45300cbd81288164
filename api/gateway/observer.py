"""What a gateway watches in Redis: workers, abilities, their throughput, and how full Redis is.

It also does the janitor's work, because a gateway is there when no worker is.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from api.gateway.throughput import Throughput
from api.redis.link import RedisLink
from athena.errors import StoreError
from athena.fleet.janitor import Janitor
from athena.fleet.registry import readable
from athena.fleet.view import HOSTS_S, WRITE_PROBE, FleetView
from athena.protocol.interface import Interface
from athena.protocol.schema import RequestSchema, build_envelope_schema
from athena.settings import Settings
from athena.store.keys import ABILITIES, BEATS, FAILURES, FORGOTTEN, HOSTS, WORKERS, load_key
from athena.store.scripts import pairs

logger = logging.getLogger(__name__)

OBSERVE_S = 1.0

REGISTRY = (WORKERS, BEATS, ABILITIES, FAILURES, FORGOTTEN)

#: Above this share of its memory limit, Redis takes no new jobs, so that it can end those it has.
MEMORY_SHARE = 0.9


class Watch:
    """One gateway's picture of the rest, renewed each second.

    Attributes:
        fleet: which workers are alive.
        schemas: service_id -> interface, and the schema of its requests.
        memory_share: how much of its memory limit Redis uses; 0 without a limit.
        has_settled: whether there was a moment when no ability waited for its first worker. One that loads
            later is no reason to take a gateway away from the others.
    """

    def __init__(self, settings: Settings, link: RedisLink) -> None:
        self.fleet = FleetView(settings.unserved_grace_s, time.monotonic())
        self.schemas: dict[str, tuple[Interface, RequestSchema]] = {}
        self.memory_share = 0.0
        self.has_settled = False
        self._link = link
        self._janitor = Janitor(self.fleet, settings.record_ttl_s, settings.dead_ttl_s)
        self._raw_interfaces: dict[bytes, bytes] = {}
        self._throughputs: dict[str, Throughput] = {}
        self._hosts_read_s = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._first_look = asyncio.Event()

    async def start(self, timeout_s: float) -> None:
        """Begins to watch, and waits for the first look; without Redis, not longer than the time given."""
        self._task = asyncio.create_task(self._observe_forever())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_look.wait(), timeout_s)

    @property
    def has_looked(self) -> bool:
        """Whether it has read which abilities there are."""
        return self._first_look.is_set()

    @property
    def loading(self) -> list[str]:
        """The abilities whose first worker is about to serve."""
        return self.fleet.loading(time.monotonic())

    @property
    def broken(self) -> list[str]:
        """The abilities of which every worker is broken."""
        return self.fleet.unserved_because_broken(time.monotonic())

    def close(self) -> None:
        """Stops."""
        if self._task is not None:
            self._task.cancel()

    def retry_after_s(self, service_id: str, depth: int) -> int:
        """Returns when a full queue will have been worked off."""
        return self._throughputs.get(service_id, Throughput()).retry_after_s(depth)

    @property
    def is_redis_full(self) -> bool:
        """Whether Redis is too near its memory limit for new jobs."""
        return self.memory_share > MEMORY_SHARE

    async def _observe_forever(self) -> None:
        while True:
            try:
                await self._observe()
            except StoreError as error:
                logger.debug("cannot observe the fleet: %s", error)
            except Exception:
                # A mistake must not end it: nobody else here looks who lives, or does the janitor's work.
                logger.exception("cannot read the registry")
            # Sooner while the next look may bring what callers wait for: an ability, a ready gateway.
            await asyncio.sleep(OBSERVE_S if self.schemas and self.has_settled else OBSERVE_S / 5)

    async def _observe(self) -> None:
        workers, beats, abilities, failures, forgotten, memory, takes_writes = await asyncio.gather(
            *(self._link.execute(("HGETALL", key)) for key in REGISTRY),
            self._link.execute(("INFO", "memory")),
            # A Redis that refuses heartbeats still answers the others, and all workers would look silent.
            self._takes_writes(),
        )
        now_s = time.monotonic()
        self.fleet.observe(now_s, pairs(workers), pairs(beats), takes_writes)
        self.fleet.observe_failures(time.time(), pairs(failures))
        self.memory_share = memory_share(memory)
        self._forget(pairs(forgotten).keys() - pairs(abilities).keys())
        self._learn(pairs(abilities))
        if not self.has_settled or now_s - self._hosts_read_s >= HOSTS_S:
            self._hosts_read_s = now_s
            self.fleet.observe_hosts(time.time(), pairs(await self._link.execute(("HGETALL", HOSTS))))
        self.has_settled = self.has_settled or not self.loading
        self._first_look.set()
        await self._measure(now_s)
        if takes_writes:
            await self._keep_house(now_s)

    async def _keep_house(self, now_s: float) -> None:
        for result in await asyncio.gather(
            *map(self._link.execute, self._janitor.commands(now_s)), return_exceptions=True
        ):
            if isinstance(result, Exception):
                logger.warning("the janitor was refused: %s", result)

    async def _takes_writes(self) -> bool:
        """Whether Redis takes writes, as supervisors' heartbeats are."""
        try:
            await self._link.execute(WRITE_PROBE)
        except StoreError:
            return False
        return True

    async def _measure(self, now_s: float) -> None:
        service_ids = list(self.schemas)
        counts = await asyncio.gather(
            *(self._link.execute(("HGET", load_key(service_id), "ended")) for service_id in service_ids)
        )
        for service_id, count in zip(service_ids, counts, strict=True):
            self._throughputs.setdefault(service_id, Throughput()).observe(now_s, int(count or 0))

    def _forget(self, service_ids: Iterable[bytes]) -> None:
        """Knows abilities no more that an operator had forgotten; one that is only missing in Redis stays."""
        for raw in service_ids:
            if self._raw_interfaces.pop(raw, None) is not None:
                service_id = raw.decode()
                del self.schemas[service_id]
                self.fleet.forget(service_id)
                self._throughputs.pop(service_id, None)
                logger.info("forgot %s", service_id)

    def _learn(self, abilities: Mapping[bytes, bytes]) -> None:
        changed = {key: raw for key, raw in abilities.items() if self._raw_interfaces.get(key) != raw}
        for service_id, (interface, schema) in readable(changed, _read_ability):
            self.schemas[service_id] = (interface, schema)
            self.fleet.learn(interface)
            self._raw_interfaces[service_id.encode()] = changed[service_id.encode()]
            logger.info("learned the interface of %s", service_id)


def _read_ability(raw: bytes) -> tuple[Interface, RequestSchema]:
    interface = Interface.decode(raw)
    return interface, build_envelope_schema(interface)


def memory_share(info: Any) -> float:
    """Returns how much of its memory limit Redis uses, from the answer of INFO; 0 without a limit."""
    found = dict(re.findall(rb"(?m)^(used_memory|maxmemory):(\d+)\r?$", info))
    limit = int(found.get(b"maxmemory", 0))
    return int(found.get(b"used_memory", 0)) / limit if limit else 0.0
