"""What the view of jobs leaves behind."""

import asyncio
from typing import Any, cast

import pytest

from api.gateway.gateway import Gateway
from api.gateway.waiters import Waiters
from api.views.jobs import Jobs, job_filter
from athena.errors import RequestError, StoreError
from athena.jobs.record import JobRecord
from athena.operations.listing import JobFilter


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


def test_query_says_which_jobs_are_wanted() -> None:
    query = {"service_id": "ocr", "code": "0", "since_ms": "5", "until_ms": "1795425211798"}

    assert job_filter(query) == JobFilter("ocr", "", "", 0, 5, 1795425211798)
    assert job_filter({}) == JobFilter()


@pytest.mark.parametrize("name", ["code", "since_ms", "until_ms"])
@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 16, "\u0663"])
def test_query_with_what_is_no_number_is_refused(name: str, value: str) -> None:
    with pytest.raises(RequestError) as caught:
        job_filter({name: value})
    assert f"{name} must be a whole number" in caught.value.summary
