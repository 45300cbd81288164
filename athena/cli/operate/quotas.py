"""`athena quotas` and `athena usage`: how much applications may use, and have used."""

import argparse
import sys
import time
from collections.abc import Mapping

from athena.access.quotas import ALL_OTHERS, LIMITS, read_quota
from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb, print_table
from athena.cli.operate.served import tell_of_unserved
from athena.operations.quotas import day_text, drop_quota, list_quotas, open_of, set_quota, usage_of

_HELP = {
    "requests_per_s": "requests to run a job, on average",
    "burst": "how many of them may come at once (default: those of one second)",
    "jobs": "jobs that wait or are run",
    "queued_jobs": "jobs that wait",
    "bytes": "messages and inputs of jobs that wait or are run",
    "device_s_a_day": "seconds of GPUs and CPUs from 00:00 UTC on",
}


def add_commands(commands: Subparsers) -> None:
    """Adds the commands."""
    group = add_group(commands, "quotas", "how much applications may use")
    add_verb(group, "ls", "list quotas, and what is open now", ls)
    given = add_verb(group, "set", "give an application a quota, in place of the one it has", give)
    _add_names(given)
    for name in LIMITS:
        kind = float if name == "requests_per_s" else int
        given.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=_HELP[name])
    _add_names(add_verb(group, "rm", "take a quota away", drop))
    used = add_verb(
        commands, "usage", "what applications with quotas have used, a day after the other", usage
    )
    used.add_argument("--days", type=int, default=1, help="how many, today (UTC) included (default 1)")
    used.add_argument("--app", metavar="APP_ID", default="", help="only of this application")


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app_id", help=f"the app_id that requests carry; {ALL_OTHERS!r} for all others")
    parser.add_argument("--ability", metavar="NAME", default="", help="for this ability alone")


def ls(desk: Desk) -> None:
    """Lists quotas."""
    listed, counts = desk.run(list_quotas()), desk.run(open_of())
    document = [
        {"app_id": app_id, "ability": service_id or None, "limits": quota.document()}
        for app_id, service_id, quota in listed
    ]

    def table() -> None:
        rows = (
            (
                app_id,
                service_id or "all",
                ", ".join(f"{name} {value:g}" for name, value in quota.document().items()) or "only counted",
                "" if service_id else counts.get(app_id, {}).get("open", 0),
            )
            for app_id, service_id, quota in listed
        )
        print_table(("APP", "ABILITY", "LIMITS", "OPEN"), rows)

    desk.show({"quotas": document, "open": counts}, table)


def give(desk: Desk) -> None:
    """Gives a quota."""
    options = desk.options
    given = {name: getattr(options, name) for name in LIMITS if getattr(options, name) is not None}
    quota = read_quota(given)
    whose = f"{options.app_id} {options.ability}".strip()
    before = _quota_of(desk, options.app_id, options.ability)
    desk.act("quotas set", whose, set_quota(options.app_id, options.ability, quota))
    limits = ", ".join(f"{name} {value:g}" for name, value in quota.document().items())
    desk.show({"limits": quota.document()}, lambda: print(limits or "no limit; it is only counted"))
    gone = ", ".join(f"{name} {value:g}" for name, value in before.items() if name not in quota.document())
    if gone:
        print(f"athena: no limit any more, for it was not named: {gone}", file=sys.stderr)
    tell_of_unserved(desk, [options.ability] if options.ability else ())


def _quota_of(desk: Desk, app_id: str, service_id: str) -> Mapping[str, float]:
    """Returns the limits that there are; empty without a quota."""
    listed = desk.run(list_quotas())
    return next((quota.document() for *whose, quota in listed if whose == [app_id, service_id]), {})


def drop(desk: Desk) -> None:
    """Takes a quota away."""
    options = desk.options
    whose = f"{options.app_id} {options.ability}".strip()
    desk.act("quotas rm", whose, drop_quota(options.app_id, options.ability))
    desk.show({"removed": whose}, lambda: print(f"{whose} has no quota any more"))


def usage(desk: Desk) -> None:
    """Shows what was used."""
    rows = desk.run(usage_of(time.time(), max(1, desk.options.days), desk.options.app))
    heads = ("DAY", "APP", "ABILITY", "REQUESTS", "REFUSED", "BYTES", "JOBS", "DEVICE SECONDS")

    def table() -> None:
        print_table(
            heads,
            (
                (
                    day_text(row["day"]),
                    row["app_id"],
                    row["service_id"],
                    row["requests"],
                    row["refused"],
                    row["bytes"],
                    ", ".join(f"{state} {count}" for state, count in sorted(row["jobs"].items())),
                    ", ".join(f"{kind} {seconds:.3f}" for kind, seconds in sorted(row["device_s"].items())),
                )
                for row in rows
            ),
        )

    desk.show({"usage": [{**row, "day": day_text(row["day"])} for row in rows]}, table)
