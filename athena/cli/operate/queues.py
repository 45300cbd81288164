"""`athena queues`: what waits, and whether it may go on."""

from dataclasses import asdict

from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb, print_table
from athena.operations.queues import QueueState, list_queues, pause_queues, purge_queues


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(commands, "queues", "list queues, pause, resume or purge them")
    add_verb(group, "ls", "list the queues of all abilities", ls)
    for name, text, verb in (
        ("pause", "let queues give out nothing; new jobs are still accepted", pause),
        ("resume", "let paused queues go on", resume),
        ("purge", "cancel all jobs that wait in queues", purge),
    ):
        parser = add_verb(group, name, text, verb)
        parser.add_argument("name", nargs="+", help="a queue, or an ability for all its queues")


def ls(desk: Desk) -> None:
    """Lists queues."""
    loads = desk.run(list_queues())
    rows = [
        (queue.name, queue.jobs, _state(queue), load.open_jobs, load.open_bytes)
        for load in loads
        for queue in load.queues
    ]
    heads = ("QUEUE", "JOBS", "STATE", "OPEN JOBS OF ABILITY", "THEIR BYTES")
    desk.show([asdict(load) for load in loads], lambda: print_table(heads, rows))


def _state(queue: QueueState) -> str:
    return ", ".join(filter(None, ("paused" if queue.is_paused else "", queue.waits)))


def pause(desk: Desk) -> None:
    """Pauses queues."""
    queues = desk.act("queues pause", desk.options.name, pause_queues(desk.options.name, True))
    desk.show({"paused": queues}, lambda: print("paused", *queues))


def resume(desk: Desk) -> None:
    """Lets queues go on."""
    queues = desk.act("queues resume", desk.options.name, pause_queues(desk.options.name, False))
    desk.show({"resumed": queues}, lambda: print("resumed", *queues))


def purge(desk: Desk) -> None:
    """Cancels what waits."""
    count = desk.act("queues purge", desk.options.name, purge_queues(desk.options.name))
    desk.show({"canceled": count}, lambda: print(f"canceled {count} jobs"))
