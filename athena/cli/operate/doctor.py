"""`athena doctor`: what an operator can have wrong, and whether Redis' books agree with the jobs' records."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from athena.cli.operate.operator import Desk, Subparsers, add_verb, print_table
from athena.errors import StoreError
from athena.operations.audit import look, look_again, wait_s
from athena.operations.checkup import HEARTBEATS_S, Ailment, Disk, ailments, read
from athena.settings import Settings
from athena.store.audit import SPOILED, UNREADABLE, Difference

#: Exit status when something is wrong, also if it was set right.
EX_WRONG = 1


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    parser = add_verb(commands, "doctor", "say what is wrong, and what to do about it", doctor)
    parser.add_argument(
        "--audit", action="store_true", help="count lists, held jobs and bytes anew, from the jobs' records"
    )
    parser.add_argument("--repair", action="store_true", help="with --audit: set right what is wrong")


def doctor(desk: Desk) -> int:
    """Does either; returns the exit status."""
    if desk.options.audit or desk.options.repair:
        return audit(desk, time.sleep)
    return checkup(desk, time.sleep)


def checkup(desk: Desk, sleep: Callable[[float], None]) -> int:
    """Says what is wrong, a line for each thing, with the remedy."""
    try:
        first = desk.run(read())
        sleep(HEARTBEATS_S)
        found = ailments(first, desk.run(read()), time.time(), disk_of(desk.settings))
    except StoreError as error:
        found = [Ailment(error.message, "start Redis, or name another one")]
    rows = [(item.what, item.remedy) for item in found]
    document = {"wrong": [asdict(item) for item in found]}
    desk.show(document, lambda: print_table(("WRONG", "WHAT TO DO"), rows) if rows else print("all is well"))
    return EX_WRONG if found else 0


def disk_of(settings: Settings) -> Disk | None:
    """Returns the file system of the data folder; None if this host has no such folder."""
    try:
        usage = shutil.disk_usage(settings.data_dir)
    except OSError:
        return None
    return Disk(str(settings.data_dir), usage.free, usage.total)


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
