"""`athena plan`: which workers this host would start, and why not others."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson

from athena.cli.folders import add_folders, load_distinct
from athena.cli.operate.operator import print_table
from athena.devices.host import core_count
from athena.devices.inventory import GpuDevice, Inventory, devices_of
from athena.devices.types import CPU
from athena.settings import from_env
from athena.supervisor.gpu_watch import read_inventory
from athena.supervisor.placement.plan import Plan, make_plan


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    text = "show which workers this host would start, without starting them"
    parser = commands.add_parser("plan", help=text, description=text)
    add_folders(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the plan; the exit status is 1 if an ability gets no worker."""
    settings = from_env(os.environ)
    abilities = load_distinct(options.ability)
    inventory = read_inventory()
    plan = make_plan(inventory, abilities, core_count(), settings.gpu_aliases)
    devices = devices_of(inventory, settings.gpu_aliases)
    if options.json:
        print(orjson.dumps(_document(inventory, devices, plan), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(inventory, devices, plan)
    return 1 if plan.refusals else 0


def _document(inventory: Inventory, devices: Sequence[GpuDevice], plan: Plan) -> dict[str, Any]:
    described: dict[str, Any] = orjson.loads(inventory.encode())
    return {
        "host": described,
        "cores": core_count(),
        "devices": [asdict(device) for device in devices],
        "workers": [{**asdict(worker), "name": worker.name} for worker in plan.workers],
        "refusals": [asdict(refusal) for refusal in plan.refusals],
        "notes": list(plan.notes),
    }


def _show(inventory: Inventory, devices: Sequence[GpuDevice], plan: Plan) -> None:
    driver = f"driver {inventory.driver}, CUDA {inventory.cuda}" if inventory.driver else inventory.problem
    print(f"{len(devices)} GPUs ({driver}), {core_count()} cores\n")
    rows = [
        (worker.service_id, worker.gpu_type, _place(worker.gpu_id, worker.label), _limits(worker))
        for worker in plan.workers
    ]
    print_table(("ABILITY", "GPU TYPE", "GPU", "LIMITS"), rows)
    for refusal in plan.refusals:
        print(f"\n{refusal.service_id} gets no worker: {refusal.reason}")
    if plan.notes:
        print()
    for note in plan.notes:
        print(note)


def _place(gpu_id: str, label: str) -> str:
    return f"{label}  {gpu_id}" if gpu_id else ""


def _limits(worker: Any) -> str:
    if worker.gpu_type == CPU:
        return f"{worker.threads} thread{'s' if worker.threads > 1 else ''}"
    return f"{worker.memory_limit_mb} MiB" if worker.memory_limit_mb else ""
