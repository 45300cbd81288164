"""What the view of jobs leaves behind."""

import asyncio
from typing import Any, cast

import pytest

from api.gateway.gateway import Gateway
from api.gateway.waiters import Waiters
from api.views.jobs import Jobs
from athena.errors import StoreError
from athena.jobs.record import JobRecord


class DeafGateway:
    """One whose Redis goes away while a job is asked for."""

    def __init__(self) -> None:
        self.waiters = Waiters(self.recheck)

    def wait_for(self, job_id: str) -> "asyncio.Future[Any]":
        return self.waiters.add(job_id)

    def forget(self, job_id: str, future: "asyncio.Future[Any]") -> None:
        self.waiters.remove(job_id, future)

    async def recheck(self, job_id: str) -> None:
        raise StoreError("Redis cannot be reached", retry_after_s=1)


def test_nobody_waits_any_more_when_redis_cannot_be_asked() -> None:
    async def ask() -> dict[str, Any]:
        gateway = DeafGateway()
        record = JobRecord.decode("j1", {b"state": b"queued", b"service_id": b"echo"})
        with pytest.raises(StoreError):
            await Jobs(cast(Gateway, gateway))._wait(record, 1)
        return gateway.waiters._futures

    assert asyncio.run(ask()) == {}
