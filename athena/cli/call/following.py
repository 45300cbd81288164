"""`athena jobs wait`, `output` and `events`: jobs on their way to their end, as a gateway tells of them."""

import argparse
import json
from typing import TYPE_CHECKING

from athena.cli.call.call import add_outputs, add_timeout
from athena.cli.call.gateway import EX_FAILED, Subparsers, add_verb
from athena.cli.call.progress import progress
from athena.cli.call.showing import show
from athena.cli.operate.times import clock_text

if TYPE_CHECKING:
    from athena.client import Client, Job

NAME = "a job's id, or your request_id of it"


def add_verbs(group: Subparsers) -> None:
    """Adds the verbs that ask a gateway to those of `athena jobs`."""
    waiting = add_verb(group, "wait", "wait for the end of jobs; ends with 1 unless all succeeded", wait)
    waiting.add_argument("job", metavar="ID", nargs="+", help=NAME)
    add_timeout(waiting)
    fetching = add_verb(group, "output", "wait for a job's end, and show its outputs", output)
    fetching.add_argument("job", metavar="ID", help=NAME)
    add_outputs(fetching)
    following = add_verb(group, "events", "show what happens to a job, up to its end", events)
    following.add_argument("job", metavar="ID", help=NAME)
    add_timeout(following)


def wait(client: "Client", options: argparse.Namespace) -> int:
    """Waits for the end of jobs."""
    found = []
    for name in options.job:
        with progress() as watch:
            job = client.wait(name, options.timeout, watch)
        found.append(job)
        if not options.json:
            print(_ended(job))
    if options.json:
        print(json.dumps([job.described for job in found], indent=2, ensure_ascii=False))
    return 0 if all(job.has_succeeded for job in found) else EX_FAILED


def _ended(job: "Job") -> str:
    why = f": {job.message} (code {job.code})" if job.code else ""
    return f"{job.id} {job.state}{why}"


def output(client: "Client", options: argparse.Namespace) -> int:
    """Shows the outputs of a job."""
    with progress() as watch:
        outputs = client.outputs(options.job, options.timeout, watch)
    show(outputs, options.output, options.json)
    return 0


def events(client: "Client", options: argparse.Namespace) -> int:
    """Shows what happens to a job, each event when it happens."""
    for event in client.events(options.job, options.timeout):
        if options.json:
            print(json.dumps(event, ensure_ascii=False), flush=True)
            continue
        words = (event["event"], f"attempt {event['attempt']}" if event["attempt"] else "", event["worker"])
        line = "  ".join(word for word in (*words, event["detail"]) if word)
        print(clock_text(event["at_ms"]), line, flush=True)
    return 0
