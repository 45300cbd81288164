"""What the views need: the fleet as seen from here, and the way of a job into the queue and back."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from api.access.access_rule import Access, ScrapeRule
from api.access.origins import make_origin_policy
from api.access.proxies import Proxies
from api.access.quota_reader import QuotaReader
from api.gateway.access_log import AccessLog
from api.gateway.gate import Gate
from api.gateway.http_tally import HttpTally
from api.gateway.job_client import JobClient
from api.gateway.observer import GatewayObserver
from api.gateway.process_figures import ProcessFigures
from api.gateway.self_report import LoopLag, SelfReport
from api.gateway.tracing import Tracing
from api.outbound.fetcher import make_fetcher
from api.redis.hash_watch import HashWatch
from athena import __version__
from athena.access.quotas import QuotaBook
from athena.devices.host import host_name
from athena.errors import (
    AthenaError,
    NotFoundError,
    StoreError,
    UnservedError,
)
from athena.fleet.canary import CanaryBoard
from athena.fleet.gateway_report import GatewayReport
from athena.fleet.registry import readable
from athena.fleet.routing import Hints, Route
from athena.fleet.traffic_split import TrafficSplit, decode_split, side_versions
from athena.fleet.view import DEAD_AFTER_S
from athena.operations.refusals import refusal_of
from athena.operations.steps import Steps, run_steps_async
from athena.protocol.checks.schema import RequestSchema
from athena.protocol.interface import Interface
from athena.protocol.paths import side_id
from athena.runtime.garbage import keep_what_is_loaded, look_rarely
from athena.setting_values import TLS_ONLY
from athena.settings import Settings
from athena.store.keys import QUOTAS, SHARES
from athena.store.scripts import Command
from athena.store.submission import (
    Submission,
)
from athena.store.verdicts import Refused
from athena.telemetry.otlp import make_otlp

T = TypeVar("T")

#: An ability's interface, and the schema of its requests.
Ability = tuple[Interface, RequestSchema]

#: When to ask again for what loads.
LOADING_RETRY_S = 2


def no_service(service_id: str) -> NotFoundError:
    """Returns why a request for an ability comes to nothing that is not there."""
    return NotFoundError(f"there is no service {service_id!r}; GET /v1/abilities lists them")


class Gateway(JobClient):
    """One gateway process: what views, calls and the server share.

    How jobs travel is the matter of `JobClient`, what is known of the fleet that of `watch`.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.settings = settings
        self.fetcher = make_fetcher(settings)
        self.origins = make_origin_policy(settings)
        self.proxies = Proxies(settings.trusted_proxies)
        self.gate = Gate(time.monotonic, self.proxies, self.origins.sharing_with)
        if settings.access_log:
            self.gate.add(AccessLog())
        if settings.metrics_port:
            self.gate.add(ScrapeRule())
            self.gate.metrics_port = settings.metrics_port
        #: None where no request needs a key.
        self.access = Access(settings, self._link) if settings.needs_keys else None
        if self.access is not None:
            self.gate.add(self.access.rule)
            self.gate.tells_scheme = settings.keys_over == TLS_ONLY
        self._collector = make_otlp(settings.otlp_endpoint, "gateway", f"{host_name()}:{settings.port}")
        self._telling: set[asyncio.Future[object]] = set()
        if settings.trace_ratio:
            self.gate.add(Tracing(settings, self._collector, self._tell))
        self.quotas = QuotaBook(settings.needs_keys)
        #: service_id -> how its requests are divided between its versions.
        self.splits: dict[str, TrafficSplit] = {}
        takers = {QUOTAS: QuotaReader(self.quotas).take, SHARES: self._take_shares}
        self._orders = HashWatch(self._link, takers)
        self.watch = GatewayObserver(settings, self._link)
        self.canaries = CanaryBoard()
        self.is_draining = False
        self.http = HttpTally(time.perf_counter)
        self.lag = LoopLag(lambda: self.http.is_busy)
        self._figures = ProcessFigures()
        #: What the server tells: how many connections are open, bytes of requests held and allowed.
        self.occupancy: Callable[[], tuple[int, int, int]] = lambda: (0, 0, 0)
        self._self_report = SelfReport(self.id, self.http, self.describe, self._link.execute)

    async def start(self) -> None:
        """Connects to Redis and looks which abilities there are; goes on without Redis after a while."""
        self.connect()
        if self.access is not None:
            await self.access.start(self.settings.redis_timeout_s)
        await self._orders.start(self.settings.redis_timeout_s)
        await self.watch.start(self.settings.redis_timeout_s)
        self.lag.start()
        self._self_report.start()
        # After the first look: the schemas that it has built are among what is kept.
        keep_what_is_loaded()
        look_rarely()

    async def close(self) -> None:
        """Ends all connections."""
        await self._self_report.close()
        await self.lag.close()
        await self.watch.close()
        await self._orders.close()
        if self.access is not None:
            await self.access.close()
        await self.disconnect()
        if self._collector is not None:
            await asyncio.to_thread(self._collector.close)

    def _tell(self, command: Command) -> None:
        """Sends what nobody waits for."""
        task = asyncio.ensure_future(self._link.execute(command))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        # What was not told is lost.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def checks(self) -> dict[str, bool]:
        """Returns what must hold before requests can be served."""
        return {
            **self.connections,
            "keys": self.access is None or self.access.book.is_known,
            "redis_settings": self.watch.has_sound_redis,
            "registry": self.watch.has_looked,
            "abilities": self.watch.has_settled,
            "canaries": self.canaries.is_sound,
            "not_draining": not self.is_draining,
        }

    def describe(self) -> GatewayReport:
        """Returns how this gateway is, for others to read."""
        connections, held_bytes, held_limit_bytes = self.occupancy()
        return GatewayReport(
            address=f"{host_name()}:{self.settings.port}",
            version=__version__,
            is_ready=all(self.checks().values()),
            lag_s=round(self.lag.take(), 4),
            waiting_callers=self.waiting_callers,
            connections=connections,
            held_bytes=held_bytes,
            held_limit_bytes=held_limit_bytes,
            process=self._figures.read(),
        )

    def ability(self, service_id: str) -> Ability:
        """Returns an ability's interface and the schema of its requests.

        Raises:
            NotFoundError: it was never registered.
            StoreError: nobody knows yet, because Redis could not be reached since this process began.
            UnservedError: it was never registered because its worker loads, or does not start.
        """
        known = self.watch.schemas.get(service_id)
        if known is None and not self.watch.has_looked:
            raise StoreError("Redis cannot be reached, so the abilities are not known yet", retry_after_s=1)
        if known is None and service_id in self.watch.fleet.failures:
            failure = self.watch.fleet.failures[service_id]
            raise UnservedError(f"{service_id} does not start: {failure}", retry_after_s=int(DEAD_AFTER_S))
        if known is None and service_id in self.watch.loading:
            raise UnservedError(f"{service_id} is loading", retry_after_s=LOADING_RETRY_S)
        if known is None:
            raise no_service(service_id)
        return known

    def versions(self, service_id: str) -> list[str]:
        """Returns the versions of an ability that can be named in a path."""
        known = self.watch.schemas
        names = (service_id, *side_versions(service_id, known))
        return [known[name][0].version for name in names if name in known]

    def side_version(self, service_id: str, version: str) -> Ability | None:
        """Returns a version beside the main one, if it can answer.

        None where no worker serves it, or it does not answer its example: requests that may go to any version
        need not come to harm.
        """
        name = side_id(service_id, version)
        known = self.watch.schemas.get(name)
        if known is None or name in self.canaries.failing:
            return None
        return known if self.watch.fleet.is_served(time.monotonic(), name) else None

    def _take_shares(self, raw: Mapping[bytes, bytes]) -> None:
        self.splits = dict(readable(raw, decode_split))

    def route(self, interface: Interface, hints: Hints) -> Route:
        """Returns where a request goes (see `FleetView.route`)."""
        return self.watch.fleet.route(time.monotonic(), interface, hints)

    def check_room(self) -> None:
        """Refuses new jobs when Redis has no room for them.

        Raises:
            StoreError: its memory is nearly used up.
        """
        if self.watch.is_redis_full:
            share = self.watch.memory_share
            raise StoreError(f"Redis uses {share:.0%} of its memory; it takes no new jobs", retry_after_s=5)

    async def depths(self, queues: list[str]) -> list[int]:
        """Returns how many jobs wait in each queue."""
        return list(await asyncio.gather(*(self._link.execute(("LLEN", queue)) for queue in queues)))

    async def operate(self, steps: Steps[T]) -> T:
        """Runs an operation (`athena.operations.steps`) to its end.

        Raises:
            StoreError: Redis cannot be reached or refuses a step.
        """
        return await run_steps_async(steps, self._link.execute)

    def refusal(self, verdict: Refused, job: Submission) -> AthenaError:
        """Returns why Redis has not taken a job."""
        # With keys, ids of jobs are told to those alone who may ask for them.
        return refusal_of(verdict, job, self.watch.retry_after_s, names_others=self.access is None)
