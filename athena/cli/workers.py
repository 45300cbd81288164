"""`athena workers`: who serves, and who is to stop or start anew."""

from dataclasses import asdict

from athena.cli.operator import Desk, Subparsers, add_group, add_verb, print_table
from athena.fleet_operations import list_workers, order_workers
from athena.worker_orders import ORDER_DRAIN, ORDER_RESTART


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(commands, "workers", "list workers, drain or restart them")
    add_verb(group, "ls", "list workers that serve, and those that are drained", ls)
    for name, text, verb in (
        ("drain", "let workers finish what they run, and none follow until a restart", drain),
        ("restart", "replace workers after they have finished what they run; start drained ones", restart),
    ):
        add_verb(group, name, text, verb).add_argument("name", nargs="+", help="a worker's name")


def ls(desk: Desk) -> None:
    """Lists workers."""
    serving, drained = desk.run(list_workers())
    rows = [
        (
            worker.entry.name,
            worker.entry.service_id,
            worker.entry.gpu_type,
            f"{worker.held_jobs}/{worker.entry.slots}",
            worker.order or "serving",
        )
        for worker in serving
    ]
    rows += [(name, "", "", "", "drained") for name in drained]
    document = {"workers": [asdict(worker) for worker in serving], "drained": drained}
    desk.show(document, lambda: print_table(("WORKER", "ABILITY", "GPU TYPE", "JOBS/SLOTS", "STATE"), rows))


def drain(desk: Desk) -> None:
    """Drains workers."""
    names = desk.run(order_workers(desk.options.name, ORDER_DRAIN))
    desk.show({"ordered": names}, lambda: print("drain ordered:", *names))


def restart(desk: Desk) -> None:
    """Restarts workers."""
    names = desk.run(order_workers(desk.options.name, ORDER_RESTART))
    desk.show({"ordered": names}, lambda: print("restart ordered:", *names))
