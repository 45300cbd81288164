"""`athena config`: the settings that count, and where each comes from."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from athena.ability.origins import option_origins
from athena.cli.announcer import log_folder
from athena.cli.folders import add_folders
from athena.cli.operate.operator import Desk, Subparsers, add_verb, print_table
from athena.setting_listing import Origin, origins, unknown_variables
from athena.settings import DEFAULT, Settings
from athena.store.address import redis_address_of
from athena.supervisor.embedded_redis import memory_limit
from athena.telemetry.logs import OFF

#: Exit status where a variable is set that nobody reads.
EX_WRONG = 1


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    text = "show the settings that count here, and where each comes from; secrets are masked"
    parser = add_verb(commands, "config", text, show)
    add_folders(parser, "show what this folder's ability.toml sets too", default="")
    parser.add_argument("--changed", action="store_true", help="leave out what is the default")


def show(desk: Desk) -> int:
    """Shows settings and options of abilities; returns the exit status."""
    options = desk.options
    settings = _chosen(origins(os.environ, redis_url=options.redis, data_dir=options.data), options.changed)
    abilities = {
        service_id: _chosen(items, options.changed)
        for service_id, items in map(option_origins, options.ability or ())
    }
    unknown = unknown_variables(os.environ)
    document = {
        "settings": [_document(item, desk.settings) for item in settings],
        "abilities": {name: [asdict(item) for item in items] for name, items in abilities.items()},
        "unknown": [{"variable": name, "nearest": nearest or None} for name, nearest in unknown],
    }
    desk.show(document, lambda: _print(document))
    for name, nearest in unknown:
        print(f"athena: {unknown_text(name, nearest)}", file=sys.stderr)
    return EX_WRONG if unknown else 0


def unknown_text(name: str, nearest: str) -> str:
    """Returns what is said of a variable that is no setting."""
    return f"{name} is no setting, and nobody reads it" + (f"; did you mean {nearest}?" if nearest else "")


def _chosen(items: Iterable[Any], only_changed: bool) -> list[Any]:
    return [item for item in items if item.source != DEFAULT or not only_changed]


def _document(item: Origin, settings: Settings) -> dict[str, Any]:
    meaning = _meaning(item.name, settings)
    return {"name": item.variable, "value": item.value, "source": item.source, "means": meaning or None}


def _meaning(name: str, settings: Settings) -> str:
    """Returns what a value amounts to that does not tell by itself; secrets apart."""
    if name == "redis_url":
        return redis_address_of(settings).shown()
    if name == "log_dir" and settings.log_dir != OFF:
        return f"{log_folder(settings)}" + ("" if settings.log_dir else " (athena serve)")
    if name == "redis_memory_bytes" and not settings.redis_memory_bytes:
        return f"{memory_limit(settings)} (athena serve)"
    if name == "access":
        return "keys" if settings.needs_keys else "open"
    return ""


def _print(document: dict[str, Any]) -> None:
    rows = [(item["name"], item["value"], item["source"], item["means"]) for item in document["settings"]]
    print_table(("SETTING", "VALUE", "FROM", "MEANS"), rows)
    for service_id, items in document["abilities"].items():
        print(f"\n{service_id}")
        print_table(("OPTION", "VALUE", "FROM"), _rows(items))


def _rows(items: Iterable[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for item in items:
        yield tuple(item.values())
