"""`athena abilities`: what is or was served here, and what is to be forgotten."""

from collections.abc import Mapping
from dataclasses import asdict

from athena.cli.operate import shares
from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb, print_table
from athena.fleet.traffic_split import TrafficSplit
from athena.operations.queues import forget_ability, list_abilities, list_workers
from athena.operations.traffic import list_splits
from athena.protocol.interface import Interface


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(
        commands, "abilities", "list abilities, share requests between versions, or forget retired ones"
    )
    add_verb(group, "ls", "list the abilities that were ever served here", ls)
    parser = add_verb(group, "rm", "forget abilities that are served no more", rm)
    parser.add_argument("service_id", metavar="NAME", nargs="+", help="the ability's service_id")
    parser.add_argument("--force", action="store_true", help="cancel their jobs; ignore their workers")
    shares.add_verbs(group)


def ls(desk: Desk) -> None:
    """Lists abilities."""
    interfaces = desk.run(list_abilities())
    serving, _ = desk.run(list_workers())
    splits = desk.run(list_splits())
    rows = [
        (
            interface.service_id,
            interface.version,
            sum(worker.entry.service_id == interface.service_id for worker in serving),
            _share(interface, splits),
            interface.description,
        )
        for interface in interfaces
    ]
    heads = ("ABILITY", "VERSION", "WORKERS", "SHARE", "DESCRIPTION")
    desk.show([asdict(interface) for interface in interfaces], lambda: print_table(heads, rows))


def _share(interface: Interface, splits: Mapping[str, TrafficSplit]) -> str:
    split = splits.get(interface.main_id)
    return f"{split.share_of(interface.service_id):g}%" if split is not None else ""


def rm(desk: Desk) -> None:
    """Forgets abilities."""
    canceled = {
        service_id: desk.act("abilities rm", service_id, forget_ability(service_id, desk.options.force))
        for service_id in desk.options.service_id
    }
    desk.show(canceled, lambda: print_table(("FORGOTTEN", "JOBS CANCELED"), canceled.items()))
