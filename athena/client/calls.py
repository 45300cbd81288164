"""From an ability's name and values to its outputs; and what can be asked of jobs."""

import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from athena.client.abilities import KnownShapes, ask_for_ability
from athena.client.answers import checked
from athena.client.attempts import Patience, persist
from athena.client.bodies import APP_ID, JSON, REQUEST_ID, Body, Form, body_of
from athena.client.bulk import submit_many
from athena.client.errors import ClientError, JobFailedError, NotDoneError, UnreachableError
from athena.client.exchange import Answer, Ask, Pause, Steps
from athena.client.job import Job
from athena.client.outputs import Outputs, Shapes, read_payload, read_plain

#: A question waits so long for a job's end: proxies give up on connections that are silent for a minute.
WAIT_S = 30.0

#: The same where somebody is told how the job stands.
WATCH_S = 1.0

#: A gateway that is about to end answers at once.
_BREATH_S = 0.2

#: Is told how a job stands.
Watch = Callable[[Job], None]

#: Names the job of a plain answer.
_JOB_HEADER = "athena-job-id"

ACCEPTED = 202


class Calls:
    """What a client can ask for, as steps (see `exchange`).

    Attributes:
        timeout_s: how long a call may take, all of its tries together.
        retries: how often a request is sent again; with 0 a call leaves no result behind, and has no id.
        app_id: whose the jobs are where no key says it.
    """

    def __init__(self, timeout_s: float, retries: int, app_id: str) -> None:
        self.timeout_s = timeout_s
        self.retries = retries
        self.app_id = app_id
        self._shapes = KnownShapes(time.monotonic)

    def patience(self, timeout_s: float | None = None) -> Patience:
        """Returns how long and how often one call may ask."""
        deadline_s = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        return Patience(self.retries, deadline_s, time.monotonic, random.random)

    # Runs.

    def run(
        self,
        service_id: str,
        values: Mapping[str, Any] | Form,
        expect: Mapping[str, Mapping[str, Any]] | None,
        timeout_s: float | None,
        watch: Watch | None,
    ) -> Steps[Outputs]:
        """Runs an ability, and returns its outputs.

        Raises:
            ClientError: there are none.
        """
        patience = self.patience(timeout_s)
        body, request_id = self._body(values, expect or {})
        chunk_s = WATCH_S if watch else WAIT_S
        preference = f"wait={max(1, int(min(chunk_s, patience.left_s)))}" if request_id else ""
        # Without an id nobody can ask again: the gateway waits as long as the ability lets it.
        wait_s = chunk_s if request_id else patience.left_s
        with _naming(request_id):
            answer = yield from persist(_post(service_id, body, preference, wait_s), patience)
            if answer.status == ACCEPTED:
                job = _accepted(answer)
                return (yield from self._outputs(job.id, patience, watch))
            checked(answer)
            return (yield from self._read(service_id, answer, patience))

    def submit(
        self,
        service_id: str,
        values: Mapping[str, Any] | Form,
        expect: Mapping[str, Mapping[str, Any]] | None,
    ) -> Steps[Job]:
        """Queues a job.

        Raises:
            ClientError: it was not accepted.
        """
        body, request_id = self._body(values, expect or {})
        with _naming(request_id):
            ask = _post(service_id, body, "respond-async", 0)
            return _accepted((yield from persist(ask, self.patience())))

    def submit_many(
        self,
        service_id: str,
        items: Iterable[Mapping[str, Any]],
        expect: Mapping[str, Mapping[str, Any]] | None,
    ) -> Steps[list[Job | ClientError]]:
        """Queues many jobs; see `bulk.submit_many`."""
        owned = [{**self._own(), **item} for item in items]
        return submit_many(service_id, owned, expect or {}, self.patience())

    def _own(self) -> dict[str, str]:
        """Returns the id and the owner of a job that names none; no id where nothing is sent again."""
        own = {REQUEST_ID: uuid.uuid4().hex if self.retries else "", APP_ID: self.app_id}
        return {name: value for name, value in own.items() if value}

    def _body(
        self, values: Mapping[str, Any] | Form, expect: Mapping[str, Mapping[str, Any]]
    ) -> tuple[Body, str]:
        """Returns the body of a request, and the id of its job; "" for a job without."""
        own = self._own()
        if isinstance(values, Form):
            form, request_id = values.owned(own.get(REQUEST_ID, ""), self.app_id)
            return form.body(), request_id
        named = {**own, **values}
        return body_of(named, expect), str(named.get(REQUEST_ID) or "")

    def _read(self, service_id: str, answer: Answer, patience: Patience) -> Steps[Outputs]:
        """Reads the outputs of a call that was answered at once."""
        document = answer.document()
        job_id = answer.headers.get(_JOB_HEADER, "")
        if not job_id:
            shapes = yield from self._shapes_of(service_id, document.get("payload") or {}, patience)
            return _of_envelope(document, shapes)
        shapes = yield from self._shapes_of(service_id, document, patience)
        if document.keys() - shapes.keys() and self.retries:
            # Of what nobody declares the job alone knows whether it is a text or base64.
            told = yield from persist(_ask_job(job_id, 0), patience)
            if told.status == 200:
                return _of_envelope(told.document(), shapes)
        return Outputs(read_plain(document, shapes), job_id)

    def _shapes_of(self, service_id: str, names: Mapping[str, Any], patience: Patience) -> Steps[Shapes]:
        known = self._shapes.of(service_id, names)
        if known is not None:
            return known
        return self._shapes.learn(service_id, (yield from persist(ask_for_ability(service_id), patience)))

    # Asks for jobs.

    def job(self, name: str) -> Steps[Job]:
        """Returns how a job stands."""
        return _job_of((yield from persist(_ask_job(name, 0), self.patience())))

    def look(self, name: str, patience: Patience) -> Steps[Job]:
        """Returns how a job stands after its end, or a moment."""
        return _job_of((yield from self._wait_once(name, patience, WATCH_S)))

    def wait(self, name: str, timeout_s: float | None, watch: Watch | None) -> Steps[Job]:
        """Returns a job that has ended, however.

        Raises:
            NotDoneError: it has not.
        """
        return _job_of((yield from self._end_of(name, self.patience(timeout_s), watch)))

    def outputs(self, name: str, timeout_s: float | None, watch: Watch | None) -> Steps[Outputs]:
        """Returns what came of a job, once it has ended.

        Raises:
            JobFailedError: it has come to nothing.
            NotDoneError: it has not ended.
        """
        return self._outputs(name, self.patience(timeout_s), watch)

    def _outputs(self, name: str, patience: Patience, watch: Watch | None) -> Steps[Outputs]:
        answer = yield from self._end_of(name, patience, watch)
        job, document = _job_of(answer), answer.document()
        if not job.has_succeeded:
            raise _failed(job)
        shapes = yield from self._shapes_of(job.service_id, document.get("payload") or {}, patience)
        return _of_envelope(document, shapes)

    def _end_of(self, name: str, patience: Patience, watch: Watch | None) -> Steps[Answer]:
        """Returns what a gateway says of a job that has ended."""
        while True:
            answer = yield from self._wait_once(name, patience, WATCH_S if watch else WAIT_S)
            job = _job_of(answer)
            if watch is not None:
                watch(job)
            if job.has_ended:
                return answer
            if patience.left_s <= 0:
                raise NotDoneError(f"the job is {job.state}, and goes on", job=job, request_id=job.request_id)

    def _wait_once(self, name: str, patience: Patience, longest_s: float) -> Steps[Answer]:
        wait_s = min(longest_s, patience.left_s)
        began_s = patience.clock()
        answer = yield from persist(_ask_job(name, wait_s), patience)
        is_early = patience.clock() - began_s < min(wait_s, _BREATH_S)
        if is_early and answer.status == 200 and not _job_of(answer).has_ended:
            yield Pause(_BREATH_S)
        return answer

    def cancel(self, name: str) -> Steps[Job]:
        """Cancels a job, and returns it; one that has ended stays as it is."""
        ask = Ask("POST", f"/v1/jobs/{_quoted(name)}/cancel")
        return _job_of((yield from persist(ask, self.patience())))

    def retry(self, name: str, request_id: str) -> Steps[Job]:
        """Tries a job again that has come to nothing, and returns the new one."""
        query = urlencode({REQUEST_ID: request_id or uuid.uuid4().hex})
        ask = Ask("POST", f"/v1/jobs/{_quoted(name)}/retry?{query}")
        return _accepted((yield from persist(ask, self.patience())))

    # Asks for more.

    def page(self, query: Mapping[str, Any], cursor: str) -> Steps[tuple[list[Job], str]]:
        """Returns a page of jobs, and the cursor of the next; "" at the end."""
        named = {
            name: value for name, value in {**query, "cursor": cursor}.items() if value not in (None, "")
        }
        answer = yield from persist(Ask("GET", f"/v1/jobs?{urlencode(named)}"), self.patience())
        document = checked(answer)
        return [Job.of(item) for item in document["jobs"]], document["cursor"] or ""

    def document(self, path: str) -> Steps[Any]:
        """Returns what a gateway answers to a question without parameters."""
        return checked((yield from persist(Ask("GET", path), self.patience())))

    def ability(self, service_id: str) -> Steps[Any]:
        """Returns what a gateway says of an ability."""
        return checked((yield from persist(ask_for_ability(service_id), self.patience())))


@contextmanager
def _naming(request_id: str) -> Iterator[None]:
    """Names the job's `request_id` in what is raised inside of it."""
    try:
        yield
    except ClientError as error:
        error.request_id = error.request_id or request_id
        raise


def _post(service_id: str, body: Body, preference: str, wait_s: float) -> Ask:
    headers = {"Content-Type": body.content_type, "Accept": JSON}
    if preference:
        headers["Prefer"] = preference
    return Ask("POST", f"/v1/private/{_quoted(service_id)}", body.data, headers, wait_s)


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _ask_job(name: str, wait_s: float) -> Ask:
    query = f"?wait={wait_s:g}" if wait_s else ""
    return Ask("GET", f"/v1/jobs/{_quoted(name)}{query}", wait_s=wait_s)


def _accepted(answer: Answer) -> Job:
    document = checked(answer)
    return _job(document)


def _job_of(answer: Answer) -> Job:
    return _job(checked(answer))


def _job(document: Mapping[str, Any]) -> Job:
    try:
        return Job.of(document["job"])
    except (KeyError, TypeError):
        raise UnreachableError("the answer tells of no job; is this the address of a gateway?") from None


def _failed(job: Job) -> JobFailedError:
    return JobFailedError(
        job.message or f"the job was {job.state}", code=job.code, request_id=job.request_id, job_id=job.id
    )


def _of_envelope(document: Mapping[str, Any], shapes: Shapes) -> Outputs:
    header = document["header"]
    warnings: Sequence[Mapping[str, str]] = header.get("warnings") or ()
    return Outputs(read_payload(document.get("payload") or {}, shapes), header["sid"], tuple(warnings))
