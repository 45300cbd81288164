"""The client that waits."""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from athena.client.bodies import Form
from athena.client.calls import Calls, Watch
from athena.client.credentials import Credentials
from athena.client.errors import ClientError
from athena.client.exchange import Answer, Ask, Lost, Pause, Steps
from athena.client.job import Job, Trail
from athena.client.outputs import Outputs
from athena.client.surroundings import address_of, ca_file_of, credentials_of
from athena.client.transport import LIMITS, Gateway, answer_of

T = TypeVar("T")


class Client:
    """Calls a gateway, from as many threads as there are.

    Args:
        url: of the gateway; without it `ATHENA_URL`, else http://127.0.0.1:30889.
        key: a key, or a `SigningPair`; without it `ATHENA_KEY`, or what is in `ATHENA_KEY_FILE`.
        ca_file: authorities that are trusted; without it `ATHENA_CA_FILE`, else those that httpx brings.
        app_id: whose the jobs are where no key says it.
        timeout_s: how long a call may take, with all its tries.
        retries: how often a request is sent again. Each job has a `request_id`, so it runs once all the same.
            With 0 a call has none, and its result is not kept once it is answered.
    """

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
        self._http = httpx.Client(verify=self._gateway.trust(), limits=LIMITS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def run(
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
        """Runs an ability, and returns its outputs.

        Args:
            ability: its name.
            values: inputs and parameters by name, as `named`; for names that are no Python words.
            expect: output -> what is expected of it, such as `{"drawing": {"encoding": "png"}}`.
            timeout_s: how long it may take.
            on_progress: is told each second how the job stands.
            named: inputs and parameters. Bytes, a `Path` or an open file are data, a text is a text, all else
                is JSON. `request_id`, `priority` and other members of the header are named here as well.

        Raises:
            RefusedError: the request was refused.
            JobFailedError: the job has come to nothing.
            NotDoneError: it has not ended in time, and goes on.
            UnreachableError: no gateway answers.
        """
        return self._do(self._calls.run(ability, merged(values, named), expect, timeout_s, on_progress))

    def submit(
        self,
        ability: str,
        values: Mapping[str, Any] | Form | None = None,
        /,
        *,
        expect: Mapping[str, Mapping[str, Any]] | None = None,
        **named: Any,
    ) -> Job:
        """Queues a job, and returns it at once; see `run`."""
        return self._do(self._calls.submit(ability, merged(values, named), expect))

    def submit_many(
        self,
        ability: str,
        items: Iterable[Mapping[str, Any]],
        /,
        *,
        expect: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[Job | ClientError]:
        """Queues many jobs of an ability; returns for each, in their order, the job or why there is none.

        Few requests carry them. What the gateway can take later, as where a queue is full, is sent again.

        Args:
            ability: its name.
            items: inputs, parameters and members of the header by name, of each job; see `run`.
            expect: output -> what is expected of it, of each job.

        Raises:
            RefusedError: all of them were refused at once.
            UnreachableError: no gateway answers.
        """
        return self._do(self._calls.submit_many(ability, items, expect))

    def job(self, job: Job | str) -> Job:
        """Returns how a job stands; a text is its id or its `request_id`."""
        return self._do(self._calls.job(name_of(job)))

    def wait(self, job: Job | str, timeout_s: float | None = None, on_progress: Watch | None = None) -> Job:
        """Returns a job once it has ended, however.

        Raises:
            NotDoneError: it has not ended in time, and goes on.
        """
        return self._do(self._calls.wait(name_of(job), timeout_s, on_progress))

    def outputs(
        self, job: Job | str, timeout_s: float | None = None, on_progress: Watch | None = None
    ) -> Outputs:
        """Returns a job's outputs, once it has ended.

        Raises:
            JobFailedError: it has come to nothing.
            NotDoneError: it has not ended in time, and goes on.
        """
        return self._do(self._calls.outputs(name_of(job), timeout_s, on_progress))

    def events(self, job: Job | str, timeout_s: float | None = None) -> Iterator[Mapping[str, Any]]:
        """Yields what happens to a job, up to its end (`job.timeline` of docs/protocol.md, 2)."""
        trail, patience = Trail(), self._calls.patience(timeout_s)
        while True:
            found = self._do(self._calls.look(name_of(job), patience))
            yield from trail.news(found)
            if found.has_ended or patience.left_s <= 0:
                return

    def cancel(self, job: Job | str) -> Job:
        """Cancels a job, and returns it; one that has ended stays as it is."""
        return self._do(self._calls.cancel(name_of(job)))

    def retry(self, job: Job | str, request_id: str = "") -> Job:
        """Tries a job again that has come to nothing, and returns the new one."""
        return self._do(self._calls.retry(name_of(job), request_id))

    def jobs(self, **query: Any) -> Iterator[Job]:
        """Yields jobs, page by page; what chooses them is in docs/protocol.md, 2.1."""
        cursor = ""
        while True:
            found, cursor = self._do(self._calls.page(query, cursor))
            yield from found
            if not cursor:
                return

    def abilities(self) -> list[dict[str, Any]]:
        """Returns what is or was served."""
        found: list[dict[str, Any]] = self._do(self._calls.document("/v1/abilities"))["abilities"]
        return found

    def ability(self, ability: str) -> dict[str, Any]:
        """Returns what an ability takes and answers, and who serves it."""
        found: dict[str, Any] = self._do(self._calls.ability(ability))
        return found

    def _do(self, steps: Steps[T]) -> T:
        got: Answer | Lost | None = None
        try:
            while True:
                step = steps.send(got)
                if isinstance(step, Pause):
                    time.sleep(step.for_s)
                    got = None
                else:
                    got = self._send(step)
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, ask: Ask) -> Answer | Lost:
        try:
            return answer_of(self._http.send(self._gateway.request(ask)))
        except httpx.RequestError as error:
            return self._gateway.lost(error)


def name_of(job: Job | str) -> str:
    """Returns how a job is asked for.

    Raises:
        ValueError: an empty name would ask for the list of all jobs.
    """
    name = job.id if isinstance(job, Job) else job
    if not name:
        raise ValueError("name a job: its id or its request_id")
    return name


def merged(values: Mapping[str, Any] | Form | None, named: Mapping[str, Any]) -> Mapping[str, Any] | Form:
    """Returns all values of a call.

    Raises:
        ValueError: some are given twice, or beside a form.
    """
    if isinstance(values, Form):
        if named:
            raise ValueError("a form holds all values; put these into it")
        return values
    twice = sorted((values or {}).keys() & named.keys())
    if twice:
        raise ValueError(f"{twice[0]!r} is given twice")
    return {**(values or {}), **named}
