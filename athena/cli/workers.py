"""`athena workers`: starts this host's workers; says who serves, and who is to stop or start anew."""

import argparse
from dataclasses import asdict
from pathlib import Path

from athena.ability.manifest import load_ability
from athena.cli.operator import Desk, Subparsers, add_verb, print_table
from athena.cli.parts import run_workers, settings_of
from athena.cli.serve import check_abilities, default_abilities
from athena.fleet.worker_orders import ORDER_DRAIN, ORDER_RESTART
from athena.operations.queues import list_workers, order_workers


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    text = "start the workers that this host has room for; or list workers, drain or restart them"
    parser = commands.add_parser("workers", help=text, description=text)
    parser.add_argument(
        "--ability",
        metavar="DIR",
        type=Path,
        action="append",
        help="folder with a wrapper.py; may be repeated (default: each folder in ./abilities)",
    )
    parser.add_argument("--redis", metavar="URL", dest="own_redis", help="default: ATHENA_REDIS_URL")
    parser.set_defaults(run=start)
    group = parser.add_subparsers(dest="verb", metavar="VERB")
    add_verb(group, "ls", "list workers that serve, and those that are drained", ls)
    for name, text, verb in (
        ("drain", "let workers finish what they run, and none follow until a restart", drain),
        ("restart", "replace workers after they have finished what they run; start drained ones", restart),
    ):
        add_verb(group, name, text, verb).add_argument("name", nargs="+", help="a worker's name")


def start(options: argparse.Namespace) -> int:
    """Runs this host's workers (see `athena.cli.parts.run_workers`)."""
    settings = settings_of(options.own_redis)
    abilities = [load_ability(path) for path in options.ability or default_abilities()]
    check_abilities(abilities)
    return run_workers(settings, abilities)


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
