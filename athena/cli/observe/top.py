"""`athena top`: queues, workers, GPUs, throughput and failures, drawn again and again."""

import argparse
import time
from dataclasses import asdict
from typing import Any

from athena import __version__
from athena.cli.observe.scene import Scene
from athena.cli.operate.operator import Desk, Subparsers, add_verb
from athena.errors import StoreError
from athena.operations.jobs import describe_job
from athena.operations.overview import last_troubles, read_overview
from athena.operations.rates import ability_rates, worker_states
from athena.store.address import redis_address_of

#: Faster than that shows noise, and keeps Redis busy.
MIN_EVERY_S = 0.2

#: Of the jobs that ended badly, so many are shown.
SHOWN_TROUBLES = 5


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    text = "show queues, workers, GPUs, throughput and failures, again and again; Ctrl-C ends it"
    parser = add_verb(commands, "top", text, top)
    parser.add_argument(
        "--every", type=_every, default=2.0, metavar="S", help="seconds between two looks (default 2)"
    )
    parser.add_argument(
        "--once", action="store_true", help="look twice, print one picture and end; --json does the same"
    )


def _every(raw: str) -> float:
    every_s = float(raw)
    if not MIN_EVERY_S <= every_s <= 3600:
        raise argparse.ArgumentTypeError(f"must be {MIN_EVERY_S:g} to 3600 seconds")
    return every_s


def top(desk: Desk) -> None:
    """Draws until Ctrl-C, or once.

    Raises:
        StoreError: there is to be one picture, and Redis does not answer.
    """
    # Loaded here: no other command draws, and each of them would start later.
    from rich.console import Console
    from rich.live import Live

    from athena.cli.observe.frame import draw

    scene = Scene(redis_address_of(desk.settings).shown(), __version__)
    every_s: float = desk.options.every
    console = Console()
    if desk.options.once or desk.options.json or not console.is_terminal:
        _look_twice(desk, scene, every_s)
        desk.show(_document(scene), lambda: console.print(draw(scene), soft_wrap=False))
        return
    try:
        with Live(draw(scene), console=console, screen=True, auto_refresh=False) as live:
            while True:
                _look(desk, scene)
                live.update(draw(scene), refresh=True)
                time.sleep(every_s)
    except KeyboardInterrupt:
        return


def _look_twice(desk: Desk, scene: Scene, every_s: float) -> None:
    scene.take_in(desk.run(read_overview()))
    time.sleep(every_s)
    scene.take_in(desk.run(read_overview()))
    scene.troubles = desk.run(last_troubles(SHOWN_TROUBLES))


def _look(desk: Desk, scene: Scene) -> None:
    """Takes in what there is now; while Redis is away, what there was stays."""
    try:
        scene.take_in(desk.run(read_overview()))
        if scene.has_new_troubles:
            scene.troubles = desk.run(last_troubles(SHOWN_TROUBLES))
    except StoreError as error:
        scene.miss(error.message, time.monotonic())


def _document(scene: Scene) -> dict[str, Any]:
    now = scene.now
    assert now is not None
    names = ("name", "service_id", "gpu_type", "jobs_slots", "state")
    rates = ability_rates(scene.before or now, now)
    return {
        "at_s": now.at_s,
        "gateways": [{**asdict(report), "is_alive": is_alive} for report, is_alive in now.gateways],
        "dead_letters": now.dead_letters,
        "abilities": [{**asdict(item), "load": item.load} for item in rates],
        "queues": [asdict(queue) for survey in now.surveys for queue in survey.queues],
        "workers": [dict(zip(names, row, strict=True)) for row in worker_states(now, scene.pulse)],
        "gpus": [
            {"host": host.host, **asdict(gpu)} for host in now.live_hosts for gpu in host.inventory.gpus
        ],
        "troubles": [describe_job(job) for job in scene.troubles],
    }
