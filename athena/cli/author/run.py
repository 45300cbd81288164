"""`athena run`: one request to an ability, without any server."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pybase64

from athena.ability.manifest import Ability, load_ability
from athena.cli.author.surroundings import wrapper_environment, wrapper_interpreter
from athena.devices.host import core_count
from athena.errors import ConfigError
from athena.fleet.launch import share
from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.outputs import RenderedOutput, read_output
from athena.settings import from_env
from athena.supervisor.placement.plan import threads_alone
from athena.supervisor.programs import RUN_ONCE

#: Exit status when the request was not answered.
EX_FAILED = 1


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "run",
        help="run an ability once, without a server",
        description="Runs one request: the given inputs and parameters, or else the ability's example.",
    )
    parser.add_argument("ability", metavar="DIR", type=Path, help="folder with a wrapper.py")
    parser.add_argument(
        "--input",
        metavar="KEY=TEXT",
        action="append",
        default=[],
        help="an input; KEY=@FILE takes a file's bytes; may be repeated",
    )
    parser.add_argument(
        "--param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter, or OUTPUT.ATTRIBUTE, INPUT.ATTRIBUTE, header.NAME; may be repeated",
    )
    parser.add_argument("--request", metavar="FILE", type=Path, help="a whole request, as JSON")
    parser.add_argument(
        "--output",
        metavar="KEY=FILE",
        action="append",
        default=[],
        help="write an output's bytes to a file; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as the HTTP API gives it")
    parser.add_argument(
        "--save-example",
        action="store_true",
        help="keep the request as example.json and its answer as golden.json in DIR, if it was answered",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the answer; returns 1 if there is none.

    Raises:
        ConfigError: the ability cannot be loaded, or an argument cannot be used.
    """
    ability = load_ability(options.ability)
    order = _order(options)
    targets = dict(_pair(item, "--output") for item in options.output)
    answer = _ask(ability, order, _time_limit_s(ability))
    request = answer.pop("request", None)
    if options.json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    elif answer["header"]["code"]:
        _print_error(answer["header"])
    payload = json.dumps(answer.get("payload") or {}).encode()
    outputs = {key: read_output(payload, key, {}) for key in answer.get("payload") or {}}
    for key, file in targets.items():
        _write(key, file, outputs)
    if not options.json:
        _print_outputs(answer, {key: item for key, item in outputs.items() if key not in targets})
    if answer["header"]["code"]:
        return EX_FAILED
    if options.save_example:
        _save(ability.example_path, request)
        _save(ability.golden_path, answer.get("payload") or {})
    return 0


def _order(options: argparse.Namespace) -> dict[str, Any]:
    """Returns what the process that runs the ability is told."""
    order: dict[str, Any] = {"fields": [_pair(item, "--param") for item in options.param], "inputs": []}
    order["tells_request"] = options.save_example
    for item in options.input:
        key, value = _pair(item, "--input")
        data = _read(Path(value[1:])) if value.startswith("@") else value.encode()
        order["inputs"].append([key, pybase64.b64encode_as_string(data)])
    if options.request is not None:
        try:
            order["request"] = json.loads(_read(options.request))
        except ValueError as error:
            raise ConfigError(f"{options.request} is not JSON: {error}") from None
    return order


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise ConfigError(f"{option} {text!r} must have the form NAME=VALUE")
    return name, value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None


def _time_limit_s(ability: Ability) -> float | None:
    """Returns how long an answer may take; None at a terminal, where a debugger may wait for its user."""
    if os.isatty(0):
        return None
    return from_env(os.environ).load_timeout_s + ability.limits.max_exec_s


def _ask(ability: Ability, order: dict[str, Any], timeout_s: float | None) -> dict[str, Any]:
    threads = threads_alone(ability, core_count())
    python = wrapper_interpreter(ability)
    order_fd = share(json.dumps(order).encode())
    command = python.command((*RUN_ONCE, str(ability.path), str(threads), str(order_fd)))
    try:
        # Standard input is left to the wrapper: a debugger talks to whoever sits there.
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            timeout=timeout_s,
            env=python.environment(wrapper_environment(threads)),
            pass_fds=(order_fd,),
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"no answer within {timeout_s:g} s") from None
    finally:
        os.close(order_fd)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ConfigError(f"the wrapper ended its process (status {done.returncode})") from None
    if "refused" in answer:
        raise ConfigError(answer["refused"])
    return answer


def _print_error(header: dict[str, Any]) -> None:
    print(f"athena: not answered: {header['message']} (code {header['code']})", file=sys.stderr)
    for problem in header.get("errors", ()):
        print(f"  {problem['pointer'] or '/'} {problem['detail']}", file=sys.stderr)


def _write(key: str, file: str, outputs: dict[str, RenderedOutput | None]) -> None:
    output = outputs.get(key)
    if output is None:
        raise ConfigError(f"the answer has no output {key!r}; it has: {', '.join(outputs) or 'none'}")
    try:
        Path(file).write_bytes(output.data)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None


def _save(path: Path, document: Any) -> None:
    try:
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    print(f"athena: wrote {path}", file=sys.stderr)


def _print_outputs(answer: dict[str, Any], outputs: dict[str, RenderedOutput | None]) -> None:
    for warning in answer["header"].get("warnings", ()):
        print(f"athena: {warning['pointer']} {warning['detail']}", file=sys.stderr)
    for key, output in outputs.items():
        type = next((name for name in DATA_FIELDS.values() if name in answer["payload"][key]), "?")
        print(f"{key} ({type}): {_shown(type, output)}")


def _shown(type: str, output: RenderedOutput | None) -> str:
    if output is None:
        return "nothing"
    if type != "text":
        return f"{len(output.data)} bytes; --output KEY=FILE writes them"
    text = output.data.decode(errors="replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
