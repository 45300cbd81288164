"""`athena doctor`: what an operator can have wrong, and whether Redis' books agree with the jobs' records."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import sleep
from typing import Any

from athena import __version__
from athena.access.sealing import opener_of
from athena.cli.observe.machine import read_machine
from athena.cli.operate.operator import Desk, Subparsers, add_verb, print_table
from athena.errors import StoreError
from athena.operations.audit import look, look_again, wait_s
from athena.operations.checkup.ailment import Ailment
from athena.operations.checkup.fleet import HEARTBEATS_S, ailments, read
from athena.operations.checkup.host import HostFacts, facts_table, host_ailments
from athena.operations.checkup.keys import key_ailments
from athena.operations.checkup.server import server_facts
from athena.operations.credentials import list_apps
from athena.settings import Settings
from athena.store.books.audit import SPOILED, UNREADABLE, Difference

#: Exit status when something is wrong, also if it was set right.
EX_WRONG = 1


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    parser = add_verb(commands, "doctor", "say what is wrong, and what to do about it", doctor)
    parser.add_argument(
        "--facts", action="store_true", help="show first what was looked at: versions, devices, ports, limits"
    )
    parser.add_argument(
        "--audit", action="store_true", help="count lists, held jobs and bytes anew, from the jobs' records"
    )
    parser.add_argument("--repair", action="store_true", help="with --audit: set right what is wrong")


def doctor(desk: Desk) -> int:
    """Does either; returns the exit status."""
    if desk.options.audit or desk.options.repair:
        return audit(desk, sleep)
    return checkup(desk, sleep)


def checkup(desk: Desk, sleep: Callable[[float], None]) -> int:
    """Says what is wrong, a line for each thing, with the remedy."""
    info: Mapping[str, str] = {}
    try:
        first = desk.run(read())
        facts = _look(desk.settings, sleep)
        second = desk.run(read())
        info, found = second.info, ailments(first, second, time.time(), __version__)
        found += _look_at_keys(desk)
    except StoreError as error:
        facts = read_machine(desk.settings)
        found = [Ailment(error.message, "start Redis, or name another one")]
    found += host_ailments(facts)
    _show_checkup(desk, [*server_facts(info), *facts_table(facts)], found)
    return EX_WRONG if found else 0


def _look_at_keys(desk: Desk) -> list[Ailment]:
    settings = desk.settings
    if not settings.needs_keys or settings.keys_file:
        return []
    return key_ailments(desk.run(list_apps()), time.time(), opener_of(settings.seal_key))


def _look(settings: Settings, sleep: Callable[[float], None]) -> HostFacts:
    """Looks at the machine; takes as long as heartbeats need to go on."""
    began_s = time.monotonic()
    facts = read_machine(settings)
    sleep(max(0.0, HEARTBEATS_S - (time.monotonic() - began_s)))
    return facts


def _show_checkup(desk: Desk, facts: list[tuple[str, str]], found: list[Ailment]) -> None:
    document = {"wrong": [asdict(item) for item in found], "facts": dict(facts)}

    def table() -> None:
        if desk.options.facts:
            print_table(("LOOKED AT", "FOUND"), facts)
            print()
        rows = [(item.what, item.remedy) for item in found]
        print_table(("WRONG", "WHAT TO DO"), rows) if rows else print("all is well")

    desk.show(document, table)


def audit(desk: Desk, sleep: Callable[[float], None]) -> int:
    """Compares, looks again a moment later, and shows what is still wrong."""
    findings = desk.run(look())
    still = findings.differences
    is_repair = desk.options.repair
    if still:
        sleep(wait_s(still, desk.settings.grace_s))
        steps = look_again(still, is_repair, desk.settings.dead_ttl_s)
        still = desk.act("doctor --repair", "", steps) if is_repair else desk.run(steps)
    document: dict[str, Any] = {
        "records": findings.looked_at,
        "differences": [item._asdict() for item in still],
        "repaired": bool(still) and is_repair,
        "uncounted": findings.uncounted,
    }
    desk.show(document, lambda: _show(document, still))
    return EX_WRONG if still else 0


def _show(document: dict[str, Any], still: list[Difference]) -> None:
    if still:
        print_table(("JOB", "WHAT", "OF", "FOUND", "RIGHT"), still)
    what = "set right" if document["repaired"] else "found; --repair sets them right"
    print(f"{document['records']} records, {len(still)} differences" + (f" {what}" if still else ""))
    for item in still:
        if item.what in (UNREADABLE, SPOILED):
            name = item.owner or f"the record of job {item.job_id}"
            print(f"{name} stays as it is: look at it in Redis, and delete it by hand")
    for line in document["uncounted"]:
        print(f"not counted: {line}")
