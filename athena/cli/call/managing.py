"""`athena jobs ls`, `show`, `cancel` and `retry` with `--url`: jobs as a gateway tells of them."""

import argparse
from typing import TYPE_CHECKING

from athena.cli.jobs.one_by_one import Outcome, one_by_one
from athena.cli.jobs.tables import canceled_text, chosen, print_job, print_jobs
from athena.cli.operate.operator import print_table, show_document
from athena.errors import ConfigError
from athena.protocol.enums import JobState

if TYPE_CHECKING:
    from athena.client import Client

#: The most that a gateway tells at once.
PAGE = 1000


def ls(client: "Client", options: argparse.Namespace) -> int:
    """Lists jobs."""
    limit = max(1, options.limit)
    listed = client.jobs(
        service_id=options.service,
        state=options.state,
        app_id=options.app,
        code=options.code,
        since_ms=options.since or None,
        until_ms=options.until or None,
        limit=PAGE if options.error else min(limit, PAGE),
    )
    jobs = chosen((job.described for job in listed), limit, options.error)
    show_document(options, jobs, lambda: print_jobs(jobs))
    return 0


def show(client: "Client", options: argparse.Namespace) -> int:
    """Shows a job.

    Raises:
        ConfigError: its trace is asked for.
    """
    if options.trace:
        raise ConfigError("traces are kept in Redis, which no gateway shows; leave --trace or --url out")
    job = client.job(options.job_id).described
    show_document(options, job, lambda: print_job(job))
    return 0


def cancel(client: "Client", options: argparse.Namespace) -> int:
    """Cancels jobs."""
    from athena.client import UnreachableError

    outcome = one_by_one(options.job_id, lambda name: client.cancel(name).state, UnreachableError)
    rows = [
        (name, state if state == JobState.CANCELED else canceled_text(state))
        for name, state in outcome.done.items()
    ]
    outcome.show(lambda: show_document(options, outcome.done, lambda: print_table(("ID", "RESULT"), rows)))
    return 0


def retry(client: "Client", options: argparse.Namespace) -> int:
    """Tries jobs again."""
    from athena.client import UnreachableError

    own_id = own_request_id(options)
    outcome = one_by_one(options.job_id, lambda name: client.retry(name, own_id).id, UnreachableError)
    show_new(options, outcome)
    return 0


def show_new(options: argparse.Namespace, outcome: Outcome) -> None:
    """Shows which jobs follow others.

    Raises:
        AthenaError: one of them could not be tried again.
    """
    heads = ("ID", "NEW JOB")
    outcome.show(
        lambda: show_document(options, outcome.done, lambda: print_table(heads, outcome.done.items()))
    )


def own_request_id(options: argparse.Namespace) -> str:
    """Returns the id that the caller gives the new job; "" for none.

    Raises:
        ConfigError: several jobs would share it.
    """
    own_id: str = options.request_id
    if own_id and len(options.job_id) > 1:
        raise ConfigError("--request-id names one new job; name one job to try again")
    return own_id
