"""The client for asyncio: what `Client` does, to be awaited."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from athena.client.bodies import Form
from athena.client.calls import Calls, Watch
from athena.client.client import merged, name_of
from athena.client.credentials import Credentials
from athena.client.errors import ClientError
from athena.client.exchange import Answer, Ask, Lost, Pause, Steps
from athena.client.job import Job, Trail
from athena.client.outputs import Outputs
from athena.client.surroundings import address_of, ca_file_of, credentials_of
from athena.client.transport import LIMITS, Gateway, answer_of

T = TypeVar("T")


class AsyncClient:
    """Calls a gateway, from one event loop; arguments and errors are those of `Client`."""

    def __init__(
        self,
        url: str | None = None,
        key: Credentials | str | None = None,
        *,
        ca_file: str | Path | None = None,
        app_id: str = "",
        timeout_s: float = 300.0,
        retries: int = 5,
    ) -> None:
        self._gateway = Gateway(address_of(url), credentials_of(key), ca_file_of(ca_file))
        self._calls = Calls(timeout_s, retries, app_id)
        self._http = httpx.AsyncClient(verify=self._gateway.trust(), limits=LIMITS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends its connections."""
        await self._http.aclose()

    async def run(
        self,
        ability: str,
        values: Mapping[str, Any] | Form | None = None,
        /,
        *,
        expect: Mapping[str, Mapping[str, Any]] | None = None,
        timeout_s: float | None = None,
        on_progress: Watch | None = None,
        **named: Any,
    ) -> Outputs:
        """Runs an ability, and returns its outputs; see `Client.run`."""
        return await self._do(self._calls.run(ability, merged(values, named), expect, timeout_s, on_progress))

    async def submit(
        self,
        ability: str,
        values: Mapping[str, Any] | Form | None = None,
        /,
        *,
        expect: Mapping[str, Mapping[str, Any]] | None = None,
        **named: Any,
    ) -> Job:
        """Queues a job, and returns it at once; see `Client.run`."""
        return await self._do(self._calls.submit(ability, merged(values, named), expect))

    async def submit_many(
        self,
        ability: str,
        items: Iterable[Mapping[str, Any]],
        /,
        *,
        expect: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[Job | ClientError]:
        """Queues many jobs of an ability, each or why not; see `Client.submit_many`."""
        return await self._do(self._calls.submit_many(ability, items, expect))

    async def job(self, job: Job | str) -> Job:
        """Returns how a job stands; a text is its id or its `request_id`."""
        return await self._do(self._calls.job(name_of(job)))

    async def wait(
        self, job: Job | str, timeout_s: float | None = None, on_progress: Watch | None = None
    ) -> Job:
        """Returns a job once it has ended, however; see `Client.wait`."""
        return await self._do(self._calls.wait(name_of(job), timeout_s, on_progress))

    async def outputs(
        self, job: Job | str, timeout_s: float | None = None, on_progress: Watch | None = None
    ) -> Outputs:
        """Returns a job's outputs, once it has ended; see `Client.outputs`."""
        return await self._do(self._calls.outputs(name_of(job), timeout_s, on_progress))

    async def events(
        self, job: Job | str, timeout_s: float | None = None
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yields what happens to a job, up to its end; see `Client.events`."""
        trail, patience = Trail(), self._calls.patience(timeout_s)
        while True:
            found = await self._do(self._calls.look(name_of(job), patience))
            for event in trail.news(found):
                yield event
            if found.has_ended or patience.left_s <= 0:
                return

    async def cancel(self, job: Job | str) -> Job:
        """Cancels a job, and returns it; one that has ended stays as it is."""
        return await self._do(self._calls.cancel(name_of(job)))

    async def retry(self, job: Job | str, request_id: str = "") -> Job:
        """Tries a job again that has come to nothing, and returns the new one."""
        return await self._do(self._calls.retry(name_of(job), request_id))

    async def jobs(self, **query: Any) -> AsyncIterator[Job]:
        """Yields jobs, page by page; see `Client.jobs`."""
        cursor = ""
        while True:
            found, cursor = await self._do(self._calls.page(query, cursor))
            for job in found:
                yield job
            if not cursor:
                return

    async def abilities(self) -> list[dict[str, Any]]:
        """Returns what is or was served."""
        found: list[dict[str, Any]] = (await self._do(self._calls.document("/v1/abilities")))["abilities"]
        return found

    async def ability(self, ability: str) -> dict[str, Any]:
        """Returns what an ability takes and answers, and who serves it."""
        found: dict[str, Any] = await self._do(self._calls.ability(ability))
        return found

    async def _do(self, steps: Steps[T]) -> T:
        got: Answer | Lost | None = None
        try:
            while True:
                step = steps.send(got)
                if isinstance(step, Pause):
                    await asyncio.sleep(step.for_s)
                    got = None
                else:
                    got = await self._send(step)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, ask: Ask) -> Answer | Lost:
        try:
            return answer_of(await self._http.send(self._gateway.request(ask)))
        except httpx.RequestError as error:
            return self._gateway.lost(error)
