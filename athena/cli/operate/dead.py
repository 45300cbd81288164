"""`athena dead`: jobs whose workers died under them, as often as the ability allows."""

from athena.cli.call.managing import own_request_id, show_new
from athena.cli.jobs.one_by_one import one_by_one
from athena.cli.jobs.tables import print_jobs
from athena.cli.operate.jobs import JOB_ID, REQUEST_ID, add_show
from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb
from athena.operations.jobs import describe_job, drop_dead, list_dead, requeue_dead


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(commands, "dead", "dead letters: list, show, requeue or drop them")
    listing = add_verb(group, "ls", "list dead letters, the latest first", ls)
    listing.add_argument("--limit", type=int, default=50, help="how many (default 50)")
    add_show(group, "show a dead letter")
    for name, text, verb in (
        ("requeue", "try dead letters again, as new jobs", requeue),
        ("drop", "drop dead letters and their inputs", drop),
    ):
        add_verb(group, name, text, verb).add_argument("job_id", nargs="+", **JOB_ID)
    group.choices["requeue"].add_argument("--request-id", **REQUEST_ID)


def ls(desk: Desk) -> None:
    """Lists dead letters."""
    jobs = [describe_job(job) for job in desk.run(list_dead(max(1, desk.options.limit)))]
    desk.show(jobs, lambda: print_jobs(jobs))


def requeue(desk: Desk) -> None:
    """Tries dead letters again."""
    own_id = own_request_id(desk.options)
    outcome = one_by_one(
        desk.options.job_id,
        lambda job_id: desk.act("dead requeue", job_id, requeue_dead(job_id, desk.settings, own_id)),
    )
    show_new(desk.options, outcome)


def drop(desk: Desk) -> None:
    """Drops dead letters."""

    def drop_one(job_id: str) -> str:
        desk.act("dead drop", job_id, drop_dead(job_id))
        return "dropped"

    outcome = one_by_one(desk.options.job_id, drop_one)
    dropped = list(outcome.done)
    outcome.show(lambda: desk.show({"dropped": dropped}, lambda: print("dropped", *dropped)))
