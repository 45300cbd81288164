"""`athena dead`: jobs whose workers died under them, as often as the ability allows."""

from athena.cli.operate.jobs import JOB_ID, REQUEST_ID, add_show, own_request_id, print_jobs
from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb, print_table
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
    jobs = desk.run(list_dead(max(1, desk.options.limit)))
    desk.show([describe_job(job) for job in jobs], lambda: print_jobs(jobs))


def requeue(desk: Desk) -> None:
    """Tries dead letters again."""
    own_id = own_request_id(desk)
    rows = [
        (job_id, desk.act("dead requeue", job_id, requeue_dead(job_id, desk.settings, own_id)))
        for job_id in desk.options.job_id
    ]
    desk.show(dict(rows), lambda: print_table(("ID", "NEW JOB"), rows))


def drop(desk: Desk) -> None:
    """Drops dead letters."""
    for job_id in desk.options.job_id:
        desk.act("dead drop", job_id, drop_dead(job_id))
    desk.show({"dropped": desk.options.job_id}, lambda: print("dropped", *desk.options.job_id))
