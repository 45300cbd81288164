"""`athena call` and `athena submit`: an ability that somebody serves."""

import argparse
import json
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from athena.cli.call.gateway import Subparsers, add_verb
from athena.cli.call.progress import progress
from athena.cli.call.showing import show
from athena.cli.operate.operator import print_table
from athena.cli.operate.times import duration_s
from athena.errors import ConfigError

if TYPE_CHECKING:
    from athena.client import Client, Form
    from athena.client.bodies import File


def add_commands(commands: Subparsers) -> None:
    """Adds the commands."""
    calling = add_verb(commands, "call", "run an ability of a gateway, and show its answer", call)
    _add_request(calling)
    add_outputs(calling)
    submitting = add_verb(commands, "submit", "queue a job at a gateway, and show its id", submit)
    _add_request(submitting)


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ability", metavar="ABILITY", nargs="?", help="its name; without one, all are listed")
    parser.add_argument(
        "--input",
        metavar="KEY=TEXT",
        action="append",
        default=[],
        help="an input; KEY=@FILE takes a file's bytes, KEY=@- standard input's; may be repeated",
    )
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter, or OUTPUT.ATTRIBUTE, INPUT.ATTRIBUTE, header.NAME; may be repeated",
    )
    parser.add_argument(
        "--request-id",
        default="",
        metavar="ID",
        help="your own id of the job: given again, it makes no other",
    )


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Adds what says where outputs go, and how long they are waited for."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        action="append",
        default=[],
        help="write an output to FILE, - for standard output; KEY=FILE where there are several; repeatable",
    )
    add_timeout(parser)


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Adds how long a job is waited for."""
    parser.add_argument(
        "--timeout",
        type=duration_s,
        default=300.0,
        metavar="TIME",
        help="wait so long: 90, 10m, 2h (default 5m); the job goes on all the same",
    )


def call(client: "Client", options: argparse.Namespace) -> int:
    """Runs an ability."""
    if options.ability is None:
        return _list(client, options.json)
    with progress() as watch:
        outputs = client.run(options.ability, _form(options), timeout_s=options.timeout, on_progress=watch)
    for warning in outputs.warnings:
        print(f"athena: {warning['pointer']} {warning['detail']}", file=sys.stderr)
    show(outputs, options.output, options.json)
    return 0


def submit(client: "Client", options: argparse.Namespace) -> int:
    """Queues a job."""
    if options.ability is None:
        return _list(client, options.json)
    job = client.submit(options.ability, _form(options))
    print(json.dumps(job.described, indent=2, ensure_ascii=False) if options.json else job.id)
    return 0


def _list(client: "Client", as_json: bool) -> int:
    """Lists what there is to call, and what each takes and answers."""
    listed = client.abilities()
    # One that has never started says nothing of itself.
    known = [client.ability(item["service_id"]) if "url" in item else item for item in listed]
    if as_json:
        print(json.dumps(known, indent=2, ensure_ascii=False))
        return 0
    rows = [
        (
            item["service_id"],
            *(_keys(item, part) for part in ("inputs", "params", "outputs")),
            len(item["workers"]),
            item.get("failure") or item.get("description"),
        )
        for item in known
    ]
    print_table(("ABILITY", "INPUTS", "PARAMS", "OUTPUTS", "WORKERS", "DESCRIPTION"), rows)
    return 0


def _keys(ability: Mapping[str, Any], part: str) -> str:
    return " ".join(spec["key"] for spec in ability.get(part, ()))


def _form(options: argparse.Namespace) -> "Form":
    """Returns what is sent: fields, because the gateway knows the types that a command line has not."""
    from athena.client import Form

    # Known here, so that who interrupts the command is told how to find the job.
    options.request_id = options.request_id or uuid.uuid4().hex
    fields = [_pair(item, "--param") for item in options.param]
    files: list[tuple[str, File]] = []
    for item in options.input:
        key, value = _pair(item, "--input")
        # A text is sent as a file too: of an ability that declares nothing a field would be a parameter.
        files.append((key, _file(value[1:]) if value.startswith("@") else _text(value)))
    fields.append(("header.request_id", options.request_id))
    return Form(fields, files)


def _file(name: str) -> "File":
    from athena.client.bodies import File, read_file

    return File(sys.stdin.buffer.read()) if name == "-" else read_file(Path(name))


def _text(value: str) -> "File":
    from athena.client.bodies import File

    return File(value.encode("utf-8", "surrogateescape"), "text/plain; charset=utf-8")


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise ConfigError(f"{option} {text!r} must have the form NAME=VALUE")
    return name, value
