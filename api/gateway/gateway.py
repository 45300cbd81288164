"""What the views need: the fleet as seen from here, and the way of a job into the queue and back."""

import asyncio
import contextlib
import time
import uuid
from typing import Any, TypeVar

from api.access.access_rule import Access
from api.access.origins import make_origin_policy
from api.access.proxies import Proxies
from api.gateway.access_log import AccessLog
from api.gateway.answered import Answered
from api.gateway.gate import Gate
from api.gateway.observer import GatewayObserver
from api.gateway.submissions import OnVerdict, Submissions
from api.gateway.waiters import BriefFuture, Patience, Waiters, reply_of
from api.outbound.fetcher import make_fetcher
from api.redis.link import RedisLink, Subscriber
from athena.errors import (
    AthenaError,
    NotFoundError,
    RequestError,
    StoreError,
    UnservedError,
)
from athena.fleet.canary import CanaryBoard
from athena.fleet.routing import Hints, Route
from athena.fleet.view import DEAD_AFTER_S
from athena.jobs.record import JobRecord
from athena.operations.refusals import refusal_of
from athena.operations.steps import Steps, run_steps_async
from athena.protocol.interface import Interface
from athena.protocol.schema import RequestSchema
from athena.runtime.garbage import keep_what_is_loaded, look_rarely
from athena.settings import TLS_ONLY, Settings
from athena.store.address import redis_address_of
from athena.store.keys import payload_key, reply_channel
from athena.store.submission import (
    ORPHAN_TTL_S,
    Reply,
    Submission,
    find_command,
    found_jobs,
    job_record,
    leave_command,
    read_command,
)
from athena.store.verdicts import Refused

T = TypeVar("T")

#: When to ask again for what loads.
LOADING_RETRY_S = 2


#: Of so many jobs of one request_id it is looked whether their records live.
MAX_NAMESAKES = 20


class Gateway:
    """One gateway process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.id = uuid.uuid4().hex
        self.fetcher = make_fetcher(settings)
        self.origins = make_origin_policy(settings)
        self.proxies = Proxies(settings.trusted_proxies)
        self.gate = Gate(time.monotonic, self.proxies)
        if settings.access_log:
            self.gate.add(AccessLog())
        address = redis_address_of(settings)
        self._link = RedisLink(address, settings.redis_timeout_s)
        #: None where no request needs a key.
        self.access = Access(settings, self._link) if settings.needs_keys else None
        if self.access is not None:
            self.gate.add(self.access.rule)
            self.gate.tells_scheme = settings.keys_over == TLS_ONLY
        self._submissions = Submissions(self._link)
        self._answered = Answered(self._link)
        self.watch = GatewayObserver(settings, self._link)
        # Payloads go by a connection of their own, so that they do not hold up the small commands.
        self._payload_link = RedisLink(address, settings.redis_timeout_s)
        self._waiters = Waiters(self.recheck)
        self._subscriber = Subscriber(
            address,
            settings.redis_timeout_s,
            reply_channel(self.id),
            self._waiters.on_push,
            self._waiters.recheck,
        )
        self.canaries = CanaryBoard()
        self.patience = Patience()
        self.is_draining = False

    async def start(self) -> None:
        """Connects to Redis and looks which abilities there are; goes on without Redis after a while."""
        self._link.start()
        if self.access is not None:
            await self.access.start(self.settings.redis_timeout_s)
        self._payload_link.start()
        self._waiters.start()
        self._subscriber.start()
        await self.watch.start(self.settings.redis_timeout_s)
        # After the first look: the schemas that it has built are among what is kept.
        keep_what_is_loaded()
        look_rarely()

    async def close(self) -> None:
        """Ends all connections."""
        await self.watch.close()
        if self.access is not None:
            await self.access.close()
        self._answered.close()
        await self._waiters.close()
        await self._subscriber.close()
        await self._payload_link.close()
        await self._link.close()

    def checks(self) -> dict[str, bool]:
        """Returns what must hold before requests can be served."""
        return {
            "redis": self._link.is_connected,
            "keys": self.access is None or self.access.book.is_known,
            "redis_settings": self.watch.has_sound_redis,
            "payloads": self._payload_link.is_connected,
            "replies": self._subscriber.is_connected,
            "registry": self.watch.has_looked,
            "abilities": self.watch.has_settled,
            "canaries": self.canaries.is_sound,
            "not_draining": not self.is_draining,
        }

    def ability(self, service_id: str) -> tuple[Interface, RequestSchema]:
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
            raise NotFoundError(f"there is no service {service_id!r}; GET /v1/abilities lists them")
        return known

    def route(self, interface: Interface, hints: Hints) -> Route:
        """Returns where a request goes (see `FleetView.route`)."""
        return self.watch.fleet.route(time.monotonic(), interface, hints)

    def send(self, job: Submission, on_verdict: OnVerdict) -> None:
        """Puts a job into its queue; what does not ride in its message was stored before (`store_payload`).

        Args:
            job: the job, its message included.
            on_verdict: called once, with what Redis says, or a StoreError; see `refusal`.
        """
        self._submissions.add(job, on_verdict)

    def check_room(self) -> None:
        """Refuses new jobs when Redis has no room for them.

        Raises:
            StoreError: its memory is nearly used up.
        """
        if self.watch.is_redis_full:
            share = self.watch.memory_share
            raise StoreError(f"Redis uses {share:.0%} of its memory; it takes no new jobs", retry_after_s=5)

    async def store_payload(self, job_id: str, payload: bytes | None) -> None:
        """Puts the inputs into Redis that do not ride in a job's message.

        Raises:
            StoreError: Redis cannot be reached or refuses writes.
        """
        if payload is not None:
            command = ("SET", payload_key(job_id), payload, "EX", ORPHAN_TTL_S)
            await self._payload_link.execute(command)

    def forget_answered(self, job_id: str) -> None:
        """Lets record and result of a job go soon: its caller has the answer, nobody else can ask for it."""
        self._answered.add(job_id)

    def wait_for(self, job_id: str) -> asyncio.Future[Reply]:
        """Returns a future that holds the job's end; call it before the job is submitted."""
        return self._waiters.add(job_id)

    def wait_briefly(self, job_id: str) -> BriefFuture:
        """Returns a future that costs no timer (`Waiters.add_brief`); call it before the job is submitted."""
        return self._waiters.add_brief(job_id)

    async def leave(self, job_id: str, future: asyncio.Future[Any]) -> None:
        """Stops waiting; the job is canceled if nobody else can find it."""
        if self._waiters.remove(job_id, future):
            # Else the leave may overtake the job's submission, find nothing, and the job runs for nobody.
            self._submissions.send_pending()
            with contextlib.suppress(StoreError):
                await self._link.execute(leave_command(job_id, self.id))

    def forget(self, job_id: str, future: asyncio.Future[Any]) -> None:
        """Stops waiting for a job that was never submitted."""
        self._waiters.remove(job_id, future)

    async def recheck(self, job_id: str) -> None:
        """Reads a job that somebody waits for, in case it has ended, and attaches this gateway to it."""
        record = await self.read(job_id, attach=True)
        if record is None:
            self._waiters.miss(job_id, asyncio.get_running_loop().time())
        elif record.state.is_final:
            self._waiters.resolve(reply_of(record))

    async def fetch(self, reply: Reply) -> Reply:
        """Returns the reply with its payload, which is fetched when it was too large to be sent along."""
        if reply.payload is not None:
            return reply
        record = await self.read(reply.job_id)
        if record is not None and not record.state.is_final:
            raise StoreError(f"Redis lost the end of job {reply.job_id}, which runs again", retry_after_s=1)
        return reply_of(record) if record is not None else reply

    async def read(self, job_id: str, attach: bool = False) -> JobRecord | None:
        """Reads a job's record; with `attach`, this gateway hears of its end."""
        reply = await self._link.execute(read_command(job_id, self.id if attach else ""))
        return job_record(job_id, reply)

    async def find(self, request_id: str, app_id: str, service_id: str) -> JobRecord | None:
        """Returns the job that a caller knows by its own id; "" for an app or ability that is not named.

        Raises:
            RequestError: several jobs have that id.
        """
        found = found_jobs(await self._link.execute(find_command(request_id)))
        # What an older version wrote names no ability; the record does.
        ids = {
            job.job_id
            for job in found
            if app_id in ("", job.app_id)
            and ("" in (service_id, job.service_id) or job.service_id == service_id)
        }
        records = await asyncio.gather(*map(self.read, sorted(ids)[:MAX_NAMESAKES]))
        jobs = [record for record in records if record and service_id in ("", record.service_id)]
        if len(jobs) > 1 or len(ids) > MAX_NAMESAKES:
            raise RequestError(
                f"several jobs have the request_id {request_id!r}; "
                "add ?app_id= or ?service_id= to name the app or the ability"
            )
        return jobs[0] if jobs else None

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
