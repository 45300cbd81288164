"""`athena abilities share` and `rollback`: which version of an ability gets which share of requests."""

import sys
from collections.abc import Iterator

from athena import __version__
from athena.cli.operate.operator import Desk, Subparsers, add_verb, print_table
from athena.errors import ConfigError
from athena.fleet.traffic_split import ALL, BY_APP, BY_REQUEST, TrafficSplit, read_split, side_versions
from athena.operations.queues import list_abilities, list_workers
from athena.operations.surveys import list_gateways
from athena.operations.traffic import list_splits, roll_back, share_traffic
from athena.protocol.paths import side_id

_SHARE = "show or set which version gets which share of requests that name none"
_ROLLBACK = "give all requests to the main version again"


def add_verbs(group: Subparsers) -> None:
    """Adds the verbs."""
    parser = add_verb(group, "share", _SHARE, share)
    parser.add_argument("service_id", metavar="NAME", help="the ability's service_id")
    parser.add_argument(
        "shares",
        metavar="VERSION=PERCENT",
        nargs="*",
        default=[],
        help="the share of a version beside the main one, which gets the rest; what is not named has none; "
        "without any they are shown",
    )
    parser.add_argument(
        "--app",
        metavar="APP_ID=VERSION",
        action="append",
        default=[],
        help="all requests of this application go to this version; may be repeated",
    )
    parser.add_argument(
        "--by",
        choices=(BY_REQUEST, BY_APP),
        default=BY_REQUEST,
        help="what has a share: requests, or applications with all their requests (default: request)",
    )
    back = add_verb(group, "rollback", _ROLLBACK, rollback)
    back.add_argument("service_id", metavar="NAME", help="the ability's service_id")


def share(desk: Desk) -> None:
    """Shows or sets shares."""
    options = desk.options
    service_id = options.service_id
    if not options.shares and not options.app:
        _show(desk, desk.run(list_splits()).get(service_id, TrafficSplit()))
        return
    percents = dict(_percent(text) for text in options.shares)
    apps = dict(_pair(text, "--app", "APP_ID=VERSION") for text in options.app)
    split = read_split({"percents": percents, "apps": apps, "by": options.by})
    before = desk.run(list_splits()).get(service_id, TrafficSplit())
    desk.act("abilities share", f"{service_id} {split.text()}", share_traffic(service_id, split))
    _warn_of_others(desk)
    _show(desk, split)
    _tell_of_gone(before, split)
    _tell_of_unserved(desk, split)


def rollback(desk: Desk) -> None:
    """Takes shares back."""
    service_id = desk.options.service_id
    desk.act("abilities rollback", service_id, roll_back(service_id))
    _show(desk, TrafficSplit())


def _show(desk: Desk, split: TrafficSplit) -> None:
    service_id = desk.options.service_id
    interfaces = {item.service_id: item for item in desk.run(list_abilities())}
    serving, _ = desk.run(list_workers())
    workers = [state.entry.service_id for state in serving]
    names = [service_id, *side_versions(service_id, interfaces)]
    rows = [
        {
            "service_id": name,
            "version": interfaces[name].version if name in interfaces else "",
            "workers": workers.count(name),
            "percent": split.share_of(name),
            "apps": sorted(_apps_of(split, name, service_id)),
        }
        for name in names
    ]

    def table() -> None:
        heads = ("NAME", "VERSION", "WORKERS", "SHARE", "APPS")
        print_table(
            heads, ([*list(row.values())[:3], f"{row['percent']:g}%", ", ".join(row["apps"])] for row in rows)
        )

    desk.show({"by": split.by, "versions": rows}, table)


def _tell_of_gone(before: TrafficSplit, after: TrafficSplit) -> None:
    """Tells what nobody named and is gone: all shares of an ability are set anew."""
    gone = [
        *(
            f"{version}={percent:g}%"
            for version, percent in before.percents.items()
            if percent and version not in after.percents
        ),
        *(f"--app {app_id}={version}" for app_id, version in before.apps.items() if app_id not in after.apps),
    ]
    if gone:
        print(f"athena: no share any more, for it was not named: {', '.join(gone)}", file=sys.stderr)


def _tell_of_unserved(desk: Desk, split: TrafficSplit) -> None:
    """Tells of versions that have a share and no worker."""
    serving, _ = desk.run(list_workers())
    served = {state.entry.service_id for state in serving}
    for version in split.versions:
        name = side_id(desk.options.service_id, version)
        if name not in served:
            print(
                f"athena: no worker serves {name}; until one does, "
                f"{desk.options.service_id} gets its share (ATHENA_UNSERVED_GRACE_S after its last one)",
                file=sys.stderr,
            )


def _apps_of(split: TrafficSplit, name: str, service_id: str) -> Iterator[str]:
    return (app_id for app_id, version in split.apps.items() if name == side_id(service_id, version))


def _warn_of_others(desk: Desk) -> None:
    """Names gateways that may know nothing of shares: they are of another Athena."""
    gateways = desk.run(list_gateways())
    others = [
        f"{told.address} ({told.version})"
        for told, lives in gateways
        if lives and told.version != __version__
    ]
    if others:
        print(
            f"athena: gateways of another version may give all requests to the main one: {', '.join(others)}",
            file=sys.stderr,
        )


def _percent(text: str) -> tuple[str, float]:
    version, value = _pair(text, "a share", "VERSION=PERCENT, as in v2=5%")
    try:
        percent = float(value.removesuffix("%"))
    except ValueError:
        raise ConfigError(f"{text!r}: {value!r} is no number from 0 to {ALL:g}") from None
    if 0 < percent < 1 and not value.endswith("%"):
        meant = f"{version}={percent * ALL:g}%"
        raise ConfigError(f"{text!r} may be a part or a percentage; write {meant}, or {text}%")
    return version, percent


def _pair(text: str, what: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign or not value:
        raise ConfigError(f"{text!r}: {what} must have the form {form}")
    return name, value
