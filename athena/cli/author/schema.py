"""`athena schema`: what an ability accepts and answers, as a document for other tools."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from athena.ability.aiges_export import Shape, export_document
from athena.ability.manifest import load_ability
from athena.cli.author.surroundings import wrapper_interpreter
from athena.errors import ConfigError
from athena.protocol.interface import Interface
from athena.protocol.json_schema import answer_schema, request_schema
from athena.protocol.openapi.document import openapi_document
from athena.settings import ADMIN_VARIABLES, from_env, without
from athena.supervisor.programs import DESCRIBE

#: How `workers.tools.describe` ends where the ability is not as it must be; then its last line says why.
EX_CONFIG = 78

#: Name of a format -> what makes the document.
DOCUMENTS: dict[str, Callable[[Interface], dict[str, Any]]] = {
    "json-schema": lambda interface: {
        "request": request_schema(interface),
        "answer": answer_schema(interface),
    },
    "openapi": lambda interface: openapi_document([interface]),
    "upstream": lambda interface: export_document(interface, Shape.V2),
    "upstream-legacy": lambda interface: export_document(interface, Shape.LEGACY),
}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser("schema", help="print what an ability accepts and answers")
    parser.add_argument("ability", metavar="DIR", type=Path, help="folder with a wrapper.py")
    parser.add_argument(
        "--format",
        choices=list(DOCUMENTS),
        default="json-schema",
        help="kind of document (default: json-schema)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the document.

    Raises:
        ConfigError: the ability cannot be loaded.
    """
    interface = describe(options.ability, from_env(os.environ).load_timeout_s)
    document = DOCUMENTS[options.format](interface)
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    return 0


def describe(path: Path, timeout_s: float) -> Interface:
    """Returns an ability's interface; its wrapper is imported in a process of its own.

    What the wrapper prints goes to standard error.

    Raises:
        ConfigError: the process did not end well, or not in time.
    """
    python = wrapper_interpreter(load_ability(path))
    command = python.command((*DESCRIBE, str(path.absolute())))
    environment = python.environment({**without(os.environ, ADMIN_VARIABLES), "CUDA_VISIBLE_DEVICES": ""})
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"importing the wrapper of {path} took longer than {timeout_s:g} s") from None
    said = done.stderr.decode("utf-8", "replace").rstrip()
    if done.returncode == EX_CONFIG:
        said, _, reason = said.rpartition("\n")
    if said:
        print(said, file=sys.stderr)
    if done.returncode == EX_CONFIG:
        raise ConfigError(reason)
    if done.returncode != 0:
        raise ConfigError(f"importing the wrapper of {path} ended its process (status {done.returncode})")
    return Interface.decode(done.stdout)
