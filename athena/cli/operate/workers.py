"""`athena workers`: starts this host's workers; says who serves, and who is to stop or start anew."""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from athena.cli.folders import add_folders, load_distinct
from athena.cli.operate.operator import Desk, Subparsers, add_verb, print_table
from athena.cli.parts import run_workers, settings_of
from athena.errors import ConfigError
from athena.fleet.view import FAILURE_SHOWN_S, Failure
from athena.fleet.worker_orders import MAX_SIZE, ORDER_DRAIN, ORDER_RESTART
from athena.operations.queues import (
    list_failures,
    list_workers,
    order_workers,
    pending_orders,
    size_ability,
)

#: How long a restart waits for supervisors to come to it, who look once a second.
ORDER_PATIENCE_S = 5.0
ORDER_PAUSE_S = 0.1

#: The word for as many processes as ability.toml says.
DEFAULT = "default"

#: How often one who waits for new processes looks.
WAIT_PAUSE_S = 0.3


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    text = "start the workers that this host has room for; or list workers, drain or restart them"
    parser = commands.add_parser("workers", help=text, description=text)
    add_folders(parser)
    parser.add_argument("--redis", metavar="URL", dest="own_redis", help="default: ATHENA_REDIS_URL")
    parser.set_defaults(run=start)
    group = parser.add_subparsers(dest="verb", metavar="VERB")
    add_verb(group, "ls", "list workers that serve, and those that are drained", ls)
    for name, text, verb in (
        ("drain", "let workers finish what they run, and none follow until a restart", drain),
        ("restart", "replace workers, each when its successor can serve; start drained ones", restart),
    ):
        add_verb(group, name, text, verb).add_argument("name", nargs="+", help="a worker's name")
    text = "run so many processes of an ability on the CPU of each host that serves it there"
    scaled = add_verb(group, "scale", text, scale)
    scaled.add_argument("ability", metavar="SERVICE_ID", help="the ability's service_id")
    scaled.add_argument(
        "count",
        metavar="N",
        type=_size,
        help=f"how many, 1 to {MAX_SIZE}; `default`: as worker.cpu_workers of its ability.toml says",
    )
    text = "until a new process of each serves, or one cannot start"
    group.choices["restart"].add_argument("--wait", action="store_true", help=text)


def start(options: argparse.Namespace) -> int:
    """Runs this host's workers (see `athena.cli.parts.run_workers`)."""
    settings = settings_of(options.own_redis)
    return run_workers(settings, load_distinct(options.ability))


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
    failures = _fresh(desk.run(list_failures()))
    document = {"workers": [asdict(worker) for worker in serving], "drained": drained, "failures": failures}

    def table() -> None:
        print_table(("WORKER", "ABILITY", "GPU TYPE", "JOBS/SLOTS", "STATE"), rows)
        for service_id, detail in failures.items():
            print(f"{service_id}: {detail}")

    desk.show(document, table)


def _fresh(failures: Mapping[str, Failure]) -> dict[str, str]:
    """Returns the failures of abilities that somebody still tries to serve."""
    now_s = time.time()
    return {
        service_id: failure.detail
        for service_id, failure in sorted(failures.items())
        if now_s - failure.at_s <= FAILURE_SHOWN_S
    }


def drain(desk: Desk) -> None:
    """Drains workers."""
    names = desk.act("workers drain", desk.options.name, order_workers(desk.options.name, ORDER_DRAIN))
    desk.show({"ordered": names}, lambda: print("drain ordered:", *names))


def _size(text: str) -> int | None:
    if text == DEFAULT:
        return None
    # argparse tells of a ValueError.
    size = int(text)
    if not 1 <= size <= MAX_SIZE:
        raise argparse.ArgumentTypeError(f"must be 1 to {MAX_SIZE}, or {DEFAULT}")
    return size


def scale(desk: Desk) -> None:
    """Says how many processes of an ability hosts run on the CPU."""
    service_id, size = desk.options.ability, desk.options.count
    shown = DEFAULT if size is None else size
    desk.act("workers scale", f"{service_id} {shown}", size_ability(service_id, size))
    desk.show(
        {"ability": service_id, "size": size}, lambda: print(f"{service_id}: {shown} on each host's CPU")
    )


def restart(desk: Desk) -> None:
    """Restarts workers.

    Raises:
        ConfigError: a supervisor refuses it, and its worker serves on; or, with `--wait`, none serves again.
    """
    before = desk.run(list_failures())
    incarnations = _incarnations(desk)
    names = desk.act("workers restart", desk.options.name, order_workers(desk.options.name, ORDER_RESTART))
    _wait_for_supervisors(desk, names)
    after = desk.run(list_failures())
    # By value, not by time: clocks of hosts differ.
    news = {ability for ability, failure in after.items() if failure != before.get(ability)}
    refused = sorted(news & {_ability_of(name) for name in names})
    if refused:
        lines = (f"{ability} is not restarted: {after[ability].detail}" for ability in refused)
        raise ConfigError("; ".join(lines))
    if not desk.options.wait:
        desk.show({"ordered": names}, lambda: print("restart ordered:", *names))
        return
    _wait_until_they_serve(desk, names, incarnations, before)
    desk.show({"restarted": names}, lambda: print("restarted:", *names))


def _incarnations(desk: Desk) -> dict[str, set[str]]:
    """Returns name -> its processes: two while one takes the place of the other."""
    serving, _ = desk.run(list_workers())
    found: dict[str, set[str]] = {}
    for worker in serving:
        found.setdefault(worker.entry.name, set()).add(worker.entry.incarnation)
    return found


def _wait_until_they_serve(
    desk: Desk, names: Sequence[str], incarnations: Mapping[str, set[str]], failures: Mapping[str, Failure]
) -> None:
    """Waits until each worker is another process than before.

    Raises:
        ConfigError: one cannot start, or there was no time left.
    """
    # One after the other ends what it runs, and loads.
    limit_s = (desk.settings.grace_s + desk.settings.load_timeout_s) * len(names)
    give_up_s = time.monotonic() + limit_s
    while True:
        found = _incarnations(desk)
        left = [name for name in names if not found.get(name, set()) - incarnations.get(name, set())]
        if not left:
            return
        news = desk.run(list_failures())
        for name in left:
            failure = news.get(_ability_of(name))
            if failure is not None and failure != failures.get(_ability_of(name)):
                what = "is not replaced, and serves on" if name in found else "does not serve again"
                raise ConfigError(f"{name} {what}: {failure.detail}")
        if time.monotonic() > give_up_s:
            raise ConfigError(
                f"{', '.join(left)}: no new process serves after {limit_s:g} s; athena workers ls tells more"
            )
        time.sleep(WAIT_PAUSE_S)


def _wait_for_supervisors(desk: Desk, names: Sequence[str]) -> None:
    give_up_s = time.monotonic() + ORDER_PATIENCE_S
    while desk.run(pending_orders(names, ORDER_RESTART)) and time.monotonic() < give_up_s:
        time.sleep(ORDER_PAUSE_S)


def _ability_of(worker_name: str) -> str:
    """Returns whose worker it is: names of abilities have no dot."""
    return worker_name.partition(".")[0]
