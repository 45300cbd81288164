"""What is done with jobs on request: show, cancel, try again; and with dead letters."""

from collections.abc import Callable, Iterable
from typing import Any

from athena.errors import (
    AthenaError,
    JobStateError,
)
from athena.fleet.registry import readable
from athena.fleet.routing import Hints, route
from athena.fleet.view import FleetView
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import with_new_id
from athena.jobs.queues import QueueName, is_gpu_id
from athena.jobs.record import JobRecord
from athena.operations.refusals import no_inputs, no_job, no_letter, refusal_of
from athena.operations.steps import Steps
from athena.protocol.checks.schema import check_request_id
from athena.protocol.enums import JobState
from athena.protocol.envelope import new_job_id
from athena.protocol.interface import Interface, Limits
from athena.settings import Settings
from athena.store.keys import (
    ABILITIES,
    BEATS,
    DEAD,
    FAILURES,
    WORKERS,
    job_key,
    message_key,
    payload_key,
)
from athena.store.scripts import pairs
from athena.store.submission import (
    ORPHAN_TTL_S,
    Submission,
    cancel_command,
    canceled_states,
    find_command,
    found_jobs,
    job_record,
    read_command,
    requeue_command,
    submit_command,
)
from athena.store.verdicts import Accepted, Attached, Verdict, read_verdict

CANCELED = "canceled on request"

#: Who works, whether he lives, and who could not start.
_REGISTRY = (WORKERS, BEATS, FAILURES)

#: Returns what a job of an app, of an ability, is counted for (`athena.access.quotas`).
QuotaOf = Callable[[str, str], str]


def no_quota(_app_id: str, _service_id: str) -> str:
    """Operators' jobs count for nobody."""
    return ""


def show_job(job_id: str) -> Steps[JobRecord]:
    """Reads a job.

    Raises:
        NotFoundError: there is none of that id.
    """
    record = job_record(job_id, (yield read_command(job_id)))
    if record is None:
        raise no_job(job_id)
    return record


def why_waiting(records: Iterable[JobRecord], wall_clock_s: float) -> Steps[dict[str, str]]:
    """Returns why those of the jobs that are queued do not run yet, as `reason` of the HTTP API says it.

    Args:
        records: of the jobs.
        wall_clock_s: this host's clock, seconds since 1970: an old failure is none.
    """
    queued = [record for record in records if record.state is JobState.QUEUED]
    if not queued:
        return {}
    workers, beats, failures = (pairs(told) for told in (yield [("HGETALL", key) for key in _REGISTRY]))
    # One look tells no silence: whoever is registered counts as alive, until a janitor takes him out.
    view = FleetView(0, 0)
    view.observe(0, workers, beats)
    view.observe_failures(wall_clock_s, failures)
    return {record.job_id: view.why_queued(0, record) for record in queued}


def describe_job(record: JobRecord) -> dict[str, Any]:
    """Returns what an operator wants to know of a job: its record, how it ended, and its timeline."""
    timeline = [event.describe() for event in record.timeline()]
    return {**record.describe(), "message": record.message or None, "timeline": timeline}


def cancel_jobs(job_ids: Iterable[str], reason: str = CANCELED) -> Steps[dict[str, JobState | None]]:
    """Cancels jobs; returns the state of each before, None for an unknown one."""
    job_ids = list(job_ids)
    states = canceled_states((yield cancel_command(job_ids, reason)))
    return dict(zip(job_ids, states, strict=True))


def retry_job(
    job_id: str, settings: Settings, request_id: str = "", quota_of: QuotaOf = no_quota
) -> Steps[str]:
    """Tries a job again that did not succeed, as a new job with the same inputs; returns its id.

    Args:
        job_id: the job.
        settings: for how long the new one is kept.
        request_id: the caller's own id of the new job: however often this is repeated, it makes one job.
        quota_of: returns what the new job counts for.

    Raises:
        RequestError: the request_id cannot be one.
        RequestIdConflictError: it belongs to another job.
        NotFoundError: there is no such job.
        QuotaError: its app has as much as it may have.
        JobStateError: it goes on, succeeded, or was canceled.
        ResultExpiredError: its inputs are not kept any more.
        QueueFullError: its queue is full.
        UnservedError: no worker takes from its queue, and the ability allows no other.
    """
    known = yield from _retried_before(job_id, request_id)
    if known:
        return known
    submission = yield from _submission_again(job_id, settings, request_id)
    submission = submission._replace(quota=quota_of(submission.app_id, submission.service_id))
    [raw] = yield submit_command([submission])
    return _submitted(read_verdict(raw), submission)


def _retried_before(job_id: str, request_id: str) -> Steps[str]:
    """Returns the job that tried it again at an earlier call with the same request_id; "" for none."""
    if not request_id:
        return ""
    check_request_id(request_id)
    for found in found_jobs((yield find_command(request_id))):
        if (yield ("HGET", job_key(found.job_id), "retry_of")) == job_id.encode():
            return found.job_id
    return ""


def _submission_again(job_id: str, settings: Settings, request_id: str) -> Steps[Submission]:
    """Returns the job that is to try another again; a copy of its inputs lies ready."""
    record = pairs((yield ("HGETALL", job_key(job_id))))
    if not record:
        raise no_job(job_id)
    _check_retryable(job_id, JobState(record[b"state"].decode()))
    message = yield ("GET", message_key(job_id))
    if message is None:
        raise _no_inputs(job_id, record)
    service_id, queue = record[b"service_id"].decode(), record[b"queue"].decode()
    home = record.get(b"home", b"").decode()
    interface = yield from _interface(service_id)
    if interface is not None and not interface.fallback:
        yield from _check_served(interface, QueueName.parse(queue).target, home)
    limits = interface.limits if interface is not None else Limits()
    new_id = new_job_id()
    if record.get(b"claim"):
        copied = yield ("COPY", payload_key(job_id), payload_key(new_id))
        if not copied:
            raise no_inputs(job_id)
        # A copy has the TTL of the original, for which it would stay if it is never submitted.
        yield ("EXPIRE", payload_key(new_id), ORPHAN_TTL_S)
    return Submission(
        job_id=new_id,
        service_id=service_id,
        queue=queue,
        message=with_new_id(message, new_id),
        app_id=record.get(b"app_id", b"").decode(),
        request_id=request_id,
        # In place of a body's hash: the same request_id for another job is a conflict.
        body_hash=f"retry-of-{job_id}" if request_id else "",
        gateway="",
        abandonable=False,
        claim=bool(record.get(b"claim")),
        bytes=int(record.get(b"bytes") or len(message)),
        max_queue_jobs=limits.max_queue_jobs,
        max_open_bytes=limits.max_queue_bytes,
        max_queue_s=int(record.get(b"max_queue_ms") or limits.max_queue_s * 1000) / 1000,
        result_ttl_s=settings.result_ttl_s,
        record_ttl_s=settings.record_ttl_s,
        retry_of=job_id,
        home=home,
    )


def _submitted(verdict: Verdict, job: Submission) -> str:
    """Returns the id of the job that was submitted, or that came before by the same request_id."""
    match verdict:
        case Accepted():
            return job.job_id
        case Attached(job_id=other_id):
            return other_id
        case _:
            raise refusal_of(verdict, job)


def _check_retryable(job_id: str, state: JobState) -> None:
    if not state.is_final:
        raise JobStateError(f"job {job_id} is {state}; only a job that has ended can be tried again")
    if state is JobState.SUCCEEDED:
        raise JobStateError(f"job {job_id} has succeeded; there is nothing to try again")
    if state is JobState.CANCELED:
        raise JobStateError(f"job {job_id} was canceled, and its inputs with it; send it again")


def _no_inputs(job_id: str, record: dict[bytes, bytes]) -> AthenaError:
    """Returns why there is nothing to try a job again with; never that it is gone while it may come."""
    if record.get(b"unkept"):
        return JobStateError(f"job {job_id} still lies in its queue; try again in some seconds")
    return no_inputs(job_id)


def _interface(service_id: str) -> Steps[Interface | None]:
    raw = yield ("HGET", ABILITIES, service_id)
    found = dict(readable({service_id.encode(): raw} if raw else {}, Interface.decode))
    return found.get(service_id)


def _check_served(interface: Interface, target: str, home: str) -> Steps[None]:
    """Refuses what a new request would be refused: nothing moves the job if nobody takes it where it was."""
    workers = pairs((yield ("HGETALL", WORKERS)))
    alive = [
        entry
        for _, entry in readable(workers, WorkerEntry.decode)
        if entry.service_id == interface.service_id
    ]
    route(interface, alive, Hints(home, target) if is_gpu_id(target) else Hints(target))


def list_dead(limit: int) -> Steps[list[JobRecord]]:
    """Lists dead letters, the latest first."""
    ids = yield ("ZREVRANGE", DEAD, 0, limit - 1)
    records = []
    for job_id in ids:
        record = job_record(job_id.decode(), (yield read_command(job_id.decode())))
        if record is not None:
            records.append(record)
    return records


def requeue_dead(job_id: str, settings: Settings, request_id: str = "") -> Steps[str]:
    """Tries a dead letter again, as a new job, and takes it off the list, in one step; returns the new id.

    Raises:
        NotFoundError: there is no such dead letter, or somebody else was faster.
        AthenaError: as `retry_job`.
    """
    # Before the letter is looked for: at a repetition it is gone.
    known = yield from _retried_before(job_id, request_id)
    if known:
        return known
    yield from _check_dead(job_id)
    submission = yield from _submission_again(job_id, settings, request_id)
    return _submitted(read_verdict((yield requeue_command(job_id, submission))), submission)


def drop_dead(job_id: str) -> Steps[None]:
    """Drops a dead letter and its inputs; its record goes with its TTL.

    Raises:
        NotFoundError: there is no such dead letter.
    """
    yield from _check_dead(job_id)
    yield ("UNLINK", message_key(job_id), payload_key(job_id))
    # Off the list last: if this is broken off in between, the letter can be dropped again.
    yield ("ZREM", DEAD, job_id)


def _check_dead(job_id: str) -> Steps[None]:
    if (yield ("ZSCORE", DEAD, job_id)) is None:
        raise no_letter(job_id)
