"""`athena check`: does an ability keep the contract, and what do loading and answering cost."""

import argparse
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from athena.ability.findings import Finding, Severity, in_order, summary
from athena.ability.manifest import MANIFEST, Ability, load_ability
from athena.ability.misplaced import misplaced_keys
from athena.ability.source_check import check_source
from athena.cli.author.surroundings import wrapper_environment, wrapper_interpreter
from athena.cli.author.unlisted import unlisted_imports
from athena.devices.host import core_count
from athena.errors import ConfigError
from athena.protocol.envelope import DATA_FIELDS
from athena.settings import from_env
from athena.supervisor.placement.plan import threads_alone
from athena.supervisor.programs import CHECK

#: Exit status when an error was found.
EX_FOUND = 1


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser("check", help="check an ability against the wrapper contract")
    parser.add_argument("ability", metavar="DIR", type=Path, help="folder with a wrapper.py")
    parser.add_argument("--static", action="store_true", help="only read the source, run nothing")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--timeout", metavar="S", type=float, help="how long it may take (default: ATHENA_LOAD_TIMEOUT_S)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the report; returns 1 if there is an error in it.

    Raises:
        ConfigError: the folder is no ability.
    """
    ability = load_ability(options.ability)
    _, findings = check_source(ability.wrapper_path)
    findings += misplaced_keys(ability)
    is_loadable = not any(
        item.rule in ("syntax", "unreadable", "taken-name") and item.severity is Severity.ERROR
        for item in findings
    )
    events: list[dict[str, Any]] = []
    if is_loadable and not options.static:
        timeout_s = options.timeout or from_env(os.environ).load_timeout_s
        events, ending = rehearse(ability, timeout_s)
        findings += [Finding.decode(event["finding"]) for event in events if "finding" in event]
        findings += [*ending, *unlisted_imports(ability.path, events)]
    findings = in_order(findings)
    print(_as_json(events, findings) if options.json else _as_text(ability, events, findings))
    return EX_FOUND if any(item.severity is Severity.ERROR for item in findings) else 0


def rehearse(ability: Ability, timeout_s: float) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Loads and runs an ability in a process of its own; what it prints goes to standard error.

    Returns:
        What the process reported, and what its end says.
    """
    threads = threads_alone(ability, core_count())
    try:
        python = wrapper_interpreter(ability)
    except ConfigError as error:
        return [], [_without_python(ability, error)]
    command = python.command((*CHECK, str(ability.path), str(threads)))
    environment = python.environment(wrapper_environment(threads))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        ending = f"did not end within {timeout_s:g} s"
    else:
        ending = _ending(process.returncode)
    events = [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]
    events.append({"threads_of_worker": threads})
    return events, [_ended_in(ability, events, ending)] if ending else []


def _without_python(ability: Ability, error: ConfigError) -> Finding:
    return Finding(
        Severity.ERROR,
        "no-environment",
        error.message,
        "no worker starts without it; `athena install DIR` tries again",
        str(ability.path / MANIFEST),
    )


def _ending(status: int) -> str:
    if status == 0:
        return ""
    if status < 0:
        return f"ended the process with {signal.Signals(-status).name}"
    return f"ended the process with status {status}"


def _ended_in(ability: Ability, events: list[dict[str, Any]], ending: str) -> Finding:
    steps = [str(event.get("begin") or event["done"]) for event in events if event.keys() & {"begin", "done"}]
    step = steps[-1] if steps else "import"
    facts, _ = check_source(ability.wrapper_path)
    method = step if step.startswith("wrapper") else "wrapperOnceExec"
    return Finding(
        Severity.ERROR,
        "process-ended",
        f"the wrapper {ending}, in or after the step {step!r}",
        "the output above may show where; a worker would be started again and again",
        str(ability.wrapper_path),
        0 if step == "import" else facts.method_line(method),
    )


def _as_text(ability: Ability, events: list[dict[str, Any]], findings: list[Finding]) -> str:
    lines = [finding.render() + "\n" for finding in findings]
    return "\n".join(
        [*lines, f"{ability.service_id} {ability.version}", *_measured(events), summary(findings)]
    )


def _measured(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        if "done" in event:
            grown = round(event["grown_bytes"] / 1e6)
            cost = f"  {event['done']:<14}{event['seconds']:>9.3f} s"
            if "count" in event:
                of = "for" if event["done"] == "batches" else "median of"
                yield f"{cost}  {of} {event['count']}"
            else:
                yield f"{cost}{grown:>+8d} MB"
        elif "output" in event:
            yield f"  {'':<14}{event['output']}: {DATA_FIELDS[event['type']]}, {event['bytes']} bytes"
        elif "session" in event:
            yield f"  {'ONNX session':<14}{event['session']}"
        elif "memory" in event:
            yield f"  {'memory':<14}{_memory(event)}"
        elif "threads_of_worker" in event:
            yield f"  {'threads':<14}{event['threads_of_worker']}, as a worker alone on this host has"


def _memory(event: dict[str, Any]) -> str:
    held, shared, peak = (round(event[name] / 1e6) for name in ("memory", "shared", "load_peak"))
    theirs = f" ({shared} MB of it together with the ability's other workers)" if shared else ""
    after = f" after a batch of {event['batch']}" if event["batch"] > 1 else ""
    return f"{held} MB{theirs}, as a worker has{after}; {peak} MB at most while it loaded"


def _as_json(events: list[dict[str, Any]], findings: list[Finding]) -> str:
    steps = [{"step": event.pop("done"), **event} for event in events if "done" in event]
    outputs = [event for event in events if "output" in event]
    report = {
        "steps": steps,
        "outputs": outputs,
        "sessions": [event for event in events if "session" in event],
        "memory": next((event for event in events if "memory" in event), None),
        "threads": next(
            (event["threads_of_worker"] for event in events if "threads_of_worker" in event), None
        ),
        "findings": [finding.encode() for finding in findings],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)
