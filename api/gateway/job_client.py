"""Jobs on their way from a gateway into Redis and back, and what Redis knows of them."""

import asyncio
import contextlib
import uuid
from typing import Any

from api.gateway.answered_jobs import AnsweredJobs
from api.gateway.submissions import OnVerdict, Submissions
from api.gateway.waiters import BriefFuture, Patience, Waiters, reply_of
from api.redis.link import RedisLink, Subscriber
from athena.errors import AthenaError, RequestError, StoreError
from athena.jobs.record import JobRecord
from athena.operations.refusals import refusal_of
from athena.protocol.paths import main_of
from athena.settings import Settings
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

#: Of so many jobs of one request_id it is looked whether their records live.
MAX_NAMESAKES = 20


class JobClient:
    """Submits jobs, waits for their ends, reads their records; all that a call needs of Redis.

    Attributes:
        id: names the channel on which this process hears of ends.
        patience: how long callers may wait.
    """

    def __init__(self, settings: Settings) -> None:
        self.id = uuid.uuid4().hex
        self.patience = Patience()
        address, timeout_s = redis_address_of(settings), settings.redis_timeout_s
        self._link = RedisLink(address, timeout_s)
        # Payloads go by a connection of their own, so that they do not hold up the small commands.
        self._payload_link = RedisLink(address, timeout_s)
        self._submissions = Submissions(self._link)
        self._answered = AnsweredJobs(self._link)
        self._waiters = Waiters(self.recheck)
        self._subscriber = Subscriber(
            address, timeout_s, reply_channel(self.id), self._waiters.on_push, self._waiters.recheck
        )

    def connect(self) -> None:
        """Begins to connect, and keeps connecting until `disconnect`."""
        self._link.start()
        self._payload_link.start()
        self._waiters.start()
        self._subscriber.start()

    async def disconnect(self) -> None:
        """Ends all connections; who still waits is canceled with the server."""
        self._answered.close()
        await self._waiters.close()
        await self._subscriber.close()
        await self._payload_link.close()
        await self._link.close()

    @property
    def waiting_callers(self) -> int:
        """How many callers wait for the end of a job."""
        return self._waiters.count

    @property
    def connections(self) -> dict[str, bool]:
        """Which of its connections stand, by what goes over them."""
        return {
            "redis": self._link.is_connected,
            "payloads": self._payload_link.is_connected,
            "replies": self._subscriber.is_connected,
        }

    def refusal(self, verdict: Refused, job: Submission) -> AthenaError:
        """Returns why Redis has not taken a job."""
        return refusal_of(verdict, job)

    def send(self, job: Submission, on_verdict: OnVerdict) -> None:
        """Puts a job into its queue; what does not ride in its message was stored before (`store_payload`).

        Args:
            job: the job, its message included.
            on_verdict: called once, with what Redis says, or a StoreError; see `refusal`.
        """
        self._submissions.add(job, on_verdict)

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
            and ("" in (service_id, job.service_id) or job.service_id == main_of(service_id))
        }
        records = await asyncio.gather(*map(self.read, sorted(ids)[:MAX_NAMESAKES]))
        jobs = [record for record in records if record and _is_of(record, service_id)]
        if len(jobs) > 1 or len(ids) > MAX_NAMESAKES:
            raise RequestError(
                f"several jobs have the request_id {request_id!r}; "
                "add ?app_id= or ?service_id= to name the app or the ability"
            )
        return jobs[0] if jobs else None


def _is_of(record: JobRecord, service_id: str) -> bool:
    """Whether a job is an ability's, in whichever version, or a version's; "" for any."""
    return service_id in ("", record.service_id, main_of(record.service_id))
