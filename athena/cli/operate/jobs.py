"""`athena jobs`: what became of jobs, and what to do about them."""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

from athena.cli.call import following, managing
from athena.cli.call import gateway as gateways
from athena.cli.jobs.one_by_one import one_by_one
from athena.cli.jobs.tables import Told, canceled_text, chosen, print_job, print_jobs
from athena.cli.operate.operator import Desk, Subparsers, Verb, add_group, add_verb, print_table
from athena.cli.operate.times import moment_ms
from athena.cli.operate.traces import describe, ls_traced, print_trace, spans_of
from athena.errors import ConfigError, NotFoundError
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

#: The same where a gateway may be asked.
JOB_NAME: dict[str, Any] = {"metavar": "ID", "help": f"{JOB_ID['help']}; with --url your request_id as well"}

STATES = [str(state) for state in JobState]


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(commands, "jobs", "list jobs, show, cancel or retry them")
    text = "list jobs: open ones by their deadline, then ended ones"
    listing = _add_either(group, "ls", text, ls, managing.ls)
    listing.add_argument("--service", default="", metavar="ID", help="of this ability only")
    listing.add_argument("--state", default="", choices=STATES, help="in this state only")
    listing.add_argument("--app", default="", metavar="ID", help="of this app_id only")
    listing.add_argument("--code", type=int, metavar="N", help="ended with this code only")
    for name, text in (("--since", "not before"), ("--until", "not after")):
        what = f"ended {text} 10m, 2h, 1d ago, or a time; of those that have not: submitted"
        listing.add_argument(name, default=0, type=moment_ms, metavar="TIME", help=what)
    listing.add_argument("--error", default="", metavar="TEXT", help="came to nothing, and TEXT is in why")
    listing.add_argument("--limit", type=int, default=50, help="how many (default 50)")
    showing = _add_either(group, "show", "show all that is known of a job", show, managing.show)
    _add_shown(showing, JOB_NAME)
    traced = add_verb(group, "traces", "list the slow jobs whose traces are kept", ls_traced)
    traced.add_argument("--limit", type=int, default=50, help="how many (default 50)")
    for name, text, verb, asked in (
        ("cancel", "cancel jobs, queued or running", cancel, managing.cancel),
        ("retry", "try jobs again that did not succeed, as new jobs", retry, managing.retry),
    ):
        _add_either(group, name, text, verb, asked).add_argument("job_id", nargs="+", **JOB_NAME)
    group.choices["retry"].add_argument("--request-id", **REQUEST_ID)
    following.add_verbs(group)


def _add_either(
    group: Subparsers, name: str, text: str, verb: Verb, asked: gateways.Verb
) -> argparse.ArgumentParser:
    """Adds a verb that speaks to Redis, or asks a gateway where one is named."""
    parser = add_verb(group, name, text, verb)
    gateways.add_gateway(parser, "ask this gateway, with your key, instead of Redis")
    at_desk: Callable[[argparse.Namespace], int] = parser.get_default("run")
    parser.set_defaults(run=lambda options: _run(options, at_desk, asked))
    return parser


def _run(
    options: argparse.Namespace, at_desk: Callable[[argparse.Namespace], int], asked: gateways.Verb
) -> int:
    if options.url is None:
        gateways.refuse_without_url(options)
        return at_desk(options)
    if options.redis or options.data:
        raise ConfigError("--url asks a gateway, --redis and --data speak to Redis; leave one of them out")
    return gateways.ask(asked, options)


def ls(desk: Desk) -> None:
    """Lists jobs."""
    options = desk.options
    wanted = JobFilter(
        options.service, options.state, options.app, options.code, options.since, options.until
    )
    limit = max(1, options.limit)
    jobs = chosen(_pages(desk, wanted, PAGE if options.error else min(limit, PAGE)), limit, options.error)
    desk.show(jobs, lambda: print_jobs(jobs))


def _pages(desk: Desk, wanted: JobFilter, size: int) -> Iterator[Told]:
    """Yields jobs, page by page."""
    cursor = ""
    while True:
        page = desk.run(list_jobs(wanted, size, cursor))
        reasons = desk.run(why_waiting(page.jobs, time.time()))
        for job in page.jobs:
            yield {**describe_job(job), "reason": reasons.get(job.job_id) or None}
        cursor = page.cursor
        if not cursor:
            return


def add_show(group: Subparsers, text: str) -> None:
    """Adds the command that shows one job, dead letters as well."""
    _add_shown(add_verb(group, "show", text, show), JOB_ID)


def _add_shown(parser: argparse.ArgumentParser, name: dict[str, Any]) -> None:
    parser.add_argument("job_id", **name)
    parser.add_argument("--trace", action="store_true", help="show which part of it took how long")


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
    rows = [(job_id, canceled_text(state)) for job_id, state in before.items()]
    desk.show(
        {job_id: state and str(state) for job_id, state in before.items()},
        lambda: print_table(("ID", "RESULT"), rows),
    )
    if None in before.values():
        raise NotFoundError("some of the jobs do not exist, or their records have expired")


def retry(desk: Desk) -> None:
    """Tries jobs again."""
    own_id = managing.own_request_id(desk.options)
    outcome = one_by_one(
        desk.options.job_id,
        lambda job_id: desk.act("jobs retry", job_id, retry_job(job_id, desk.settings, own_id)),
    )
    managing.show_new(desk.options, outcome)
