"""`athena jobs`: what became of jobs, and what to do about them."""

import time
from collections.abc import Mapping
from typing import Any

from athena.cli.call import following
from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb, ago, print_table
from athena.cli.operate.times import clock_text, moment_ms, took_text
from athena.cli.operate.traces import describe, ls_traced, print_trace, spans_of
from athena.errors import ConfigError, NotFoundError
from athena.jobs.record import JobRecord
from athena.operations.jobs import cancel_jobs, describe_job, retry_job, show_job, why_waiting
from athena.operations.listing import JobFilter, list_jobs
from athena.operations.traces import show_trace
from athena.protocol.enums import JobState

#: Jobs that are read at once.
PAGE = 1000

#: How `argparse` is told of the option.
REQUEST_ID: dict[str, Any] = {
    "default": "",
    "metavar": "ID",
    "help": "your own id of the new job: given again, it makes no other",
}

#: How a command asks for a job.
JOB_ID: dict[str, Any] = {"metavar": "ID", "help": "a job's id: `header.sid` of its answer"}

NO_REASONS: Mapping[str, str] = {}

STATES = [str(state) for state in JobState]


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(commands, "jobs", "list jobs, show, cancel or retry them")
    listing = add_verb(group, "ls", "list jobs: open ones by their deadline, then ended ones", ls)
    listing.add_argument("--service", default="", metavar="ID", help="of this ability only")
    listing.add_argument("--state", default="", choices=STATES, help="in this state only")
    listing.add_argument("--app", default="", metavar="ID", help="of this app_id only")
    listing.add_argument("--code", type=int, metavar="N", help="ended with this code only")
    for name, text in (("--since", "not before"), ("--until", "not after")):
        what = f"ended {text} 10m, 2h, 1d ago, or a time; of those that have not: submitted"
        listing.add_argument(name, default=0, type=moment_ms, metavar="TIME", help=what)
    listing.add_argument("--error", default="", metavar="TEXT", help="came to nothing, and TEXT is in why")
    listing.add_argument("--limit", type=int, default=50, help="how many (default 50)")
    add_show(group, "show all that is known of a job")
    traced = add_verb(group, "traces", "list the slow jobs whose traces are kept", ls_traced)
    traced.add_argument("--limit", type=int, default=50, help="how many (default 50)")
    for name, text, verb in (
        ("cancel", "cancel jobs, queued or running", cancel),
        ("retry", "try jobs again that did not succeed, as new jobs", retry),
    ):
        add_verb(group, name, text, verb).add_argument("job_id", nargs="+", **JOB_ID)
    group.choices["retry"].add_argument("--request-id", **REQUEST_ID)
    following.add_verbs(group)


def ls(desk: Desk) -> None:
    """Lists jobs."""
    options = desk.options
    wanted = JobFilter(
        options.service, options.state, options.app, options.code, options.since, options.until
    )
    jobs = _list(desk, wanted, max(1, options.limit), options.error.lower())
    reasons = desk.run(why_waiting(jobs, time.time()))
    document = [{**describe_job(job), "reason": reasons.get(job.job_id) or None} for job in jobs]
    desk.show(document, lambda: print_jobs(jobs, reasons))


def _list(desk: Desk, wanted: JobFilter, limit: int, error: str) -> list[JobRecord]:
    """Turns pages until there are so many jobs, or no more; `error` is in why they came to nothing."""
    jobs: dict[str, JobRecord] = {}
    cursor = ""
    while len(jobs) < limit:
        page = desk.run(list_jobs(wanted, PAGE if error else min(limit - len(jobs), PAGE), cursor))
        # One that ends between two pages may be on both; what was said last holds.
        jobs.update(
            (job.job_id, job) for job in page.jobs if error in f"{_why(job)} {job.last_failure}".lower()
        )
        cursor = page.cursor
        if not cursor:
            break
    return list(jobs.values())[:limit]


def print_jobs(jobs: list[JobRecord], reasons: Mapping[str, str] = NO_REASONS) -> None:
    """Prints jobs as a table; `reasons` says why some do not run yet."""
    print_table(
        ("ID", "ABILITY", "STATE", "QUEUED", "TOOK", "ATTEMPTS", "WORKER", "WHY"),
        [
            (
                job.job_id,
                job.service_id,
                job.state,
                ago(job.queued_ms),
                _took(job),
                job.attempts,
                job.worker,
                _why(job) or reasons.get(job.job_id) or job.last_failure,
            )
            for job in jobs
        ],
    )


def _took(job: JobRecord) -> str:
    """Returns how long its call took, or has taken so far."""
    if job.state is JobState.RUNNING and job.started_ms:
        return took_text(max(0.0, time.time() * 1000 - job.started_ms))
    return took_text(job.exec_ms) if job.exec_ms else ""


def _why(job: JobRecord) -> str:
    if not job.code:
        return ""
    return f"{job.message} ({job.place})" if job.place else job.message


def print_job(described: Mapping[str, Any]) -> None:
    """Prints a job as a table, and what happened to it."""
    rows = ((name, _readable(name, value)) for name, value in described.items() if name != "timeline")
    print_table(("FIELD", "VALUE"), rows)
    print()
    print_table(
        ("TIME", "EVENT", "ATTEMPT", "WORKER", "DETAIL"),
        [
            (clock_text(event["at_ms"]), *(event[name] for name in ("event", "attempt", "worker", "detail")))
            for event in described["timeline"]
        ],
    )


def _readable(name: str, value: Any) -> Any:
    """Returns what is said of a job as people read it: `--json` has milliseconds since 1970."""
    if not value or not isinstance(value, int | float):
        return value
    if name == "exec_ms":
        return took_text(value)
    return clock_text(int(value)) if name.endswith("_ms") else value


def add_show(group: Subparsers, text: str) -> None:
    """Adds the command that shows one job, dead letters as well."""
    showing = add_verb(group, "show", text, show)
    showing.add_argument("job_id", **JOB_ID)
    showing.add_argument("--trace", action="store_true", help="show which part of it took how long")


def show(desk: Desk) -> None:
    """Shows a job."""
    if desk.options.trace:
        _show_trace(desk)
        return
    record = desk.run(show_job(desk.options.job_id))
    reasons = desk.run(why_waiting([record], time.time()))
    described = {**describe_job(record), "reason": reasons.get(record.job_id) or None}
    desk.show(described, lambda: print_job(described))


def _show_trace(desk: Desk) -> None:
    """Shows the spans that are kept of a job, or what its record tells of its times."""
    spans = desk.run(show_trace(desk.options.job_id))
    if not spans:
        spans = spans_of(desk.run(show_job(desk.options.job_id)))
    desk.show(describe(spans), lambda: print_trace(spans))


def cancel(desk: Desk) -> None:
    """Cancels jobs."""
    before = desk.act("jobs cancel", desk.options.job_id, cancel_jobs(desk.options.job_id))
    rows = [(job_id, _canceled(state)) for job_id, state in before.items()]
    desk.show(
        {job_id: state and str(state) for job_id, state in before.items()},
        lambda: print_table(("ID", "RESULT"), rows),
    )
    if None in before.values():
        raise NotFoundError("some of the jobs do not exist, or their records have expired")


def _canceled(state: JobState | None) -> str:
    if state is None:
        return "unknown"
    return f"was {state} before" if state.is_final else f"canceled (was {state})"


def own_request_id(desk: Desk) -> str:
    """Returns the id that the caller gives the new job; "" for none.

    Raises:
        ConfigError: several jobs would share it.
    """
    own_id: str = desk.options.request_id
    if own_id and len(desk.options.job_id) > 1:
        raise ConfigError("--request-id names one new job; name one job to try again")
    return own_id


def retry(desk: Desk) -> None:
    """Tries jobs again."""
    own_id = own_request_id(desk)
    rows = [
        (job_id, desk.act("jobs retry", job_id, retry_job(job_id, desk.settings, own_id)))
        for job_id in desk.options.job_id
    ]
    desk.show(dict(rows), lambda: print_table(("ID", "NEW JOB"), rows))
