"""`athena keys`: applications and their keys."""

import argparse
import sys
import time
from typing import Any

from athena.access.apps import App
from athena.access.documents import read_app
from athena.access.keys_file import toml_of
from athena.access.minting import NewKey, mint
from athena.access.scopes import RIGHTS, Right, Role, Scopes
from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb, print_table
from athena.operations.credentials import (
    OVERLAP_S,
    create_app,
    describe_app,
    list_apps,
    revoke_keys,
    rotate_key,
    set_scopes,
)
from athena.protocol.enums import HIGH, LANES

_DAY_S = 86400


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(commands, "keys", "applications and their keys")
    add_verb(group, "ls", "list applications and their keys", ls)
    created = add_verb(group, "create", "make an application, and show its first key once", create)
    _add_scopes(created)
    _add_days(created)
    created.add_argument(
        "--toml",
        action="store_true",
        help="print it for a file of keys (ATHENA_KEYS_FILE); Redis has no part in it",
    )
    _add_scopes(add_verb(group, "scope", "change what an application may do; its keys stay", scope))
    rotated = add_verb(group, "rotate", "give an application a second key, and show it once", rotate)
    rotated.add_argument("app_id", help="the app_id that its requests carry")
    _add_days(rotated)
    rotated.add_argument(
        "--overlap",
        type=_days,
        default=OVERLAP_S,
        metavar="DAYS",
        help=f"how long the key before opens on (default {OVERLAP_S / _DAY_S:g})",
    )
    revoked = add_verb(group, "revoke", "take a key back, or all keys of an application", revoke)
    revoked.add_argument(
        "name", metavar="API_KEY|APP_ID", help="one key by its public name, or all of an application"
    )


def _add_scopes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app_id", help="the app_id that its requests carry")
    parser.add_argument(
        "--role",
        choices=[str(role) for role in Role],
        default=str(Role.CALLER),
        help="what it may see and do (default caller)",
    )
    parser.add_argument(
        "--ability",
        action="append",
        metavar="ID",
        help="it may run this one only; may be repeated (default: all)",
    )
    parser.add_argument(
        "--right",
        action="append",
        choices=[str(right) for right in RIGHTS],
        help="it may do this only; may be repeated (default: all)",
    )
    parser.add_argument("--highest-lane", choices=LANES, default=HIGH, help="its most urgent priority")
    parser.add_argument("--no-gpu-id", action="store_true", help="its jobs may not name a GPU")
    parser.add_argument("--no-exclusive", action="store_true", help="its jobs may not ask to be run alone")


def _add_days(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--days",
        type=_days,
        default=0.0,
        metavar="DAYS",
        help="the key expires after so long (default: never)",
    )


def _days(raw: str) -> float:
    """Returns days in seconds."""
    days = float(raw)
    if not 0 <= days < 36500:
        raise argparse.ArgumentTypeError("must be a number of days")
    return days * _DAY_S


def _scopes(options: argparse.Namespace) -> Scopes:
    return Scopes(
        role=Role(options.role),
        rights=frozenset(map(Right, options.right or RIGHTS)),
        abilities=frozenset(options.ability) if options.ability else None,
        highest_lane=options.highest_lane,
        gpu_id=not options.no_gpu_id,
        exclusive=not options.no_exclusive,
    )


def ls(desk: Desk) -> None:
    """Lists applications and their keys."""
    now_s = time.time()
    listed = [describe_app(app, now_s) for app in desk.run(list_apps())]
    desk.show(listed, lambda: _print_apps(listed))


def _print_apps(listed: list[dict[str, Any]]) -> None:
    print_table(
        ("APP", "ROLE", "ABILITIES", "RIGHTS", "API KEY", "STATE", "SIGNS", "EXPIRES"),
        [
            (
                app["app_id"],
                app["role"],
                ",".join(app.get("abilities", ["all"])),
                ",".join(app["rights"]),
                key["api_key"],
                key["state"],
                "yes" if key["signs"] else "no",
                key["expires"],
            )
            for app in listed
            for key in app["keys"]
        ],
    )


def create(desk: Desk) -> None:
    """Makes an application."""
    options, now_s = desk.options, time.time()
    # Before anything is made: its errors name the member.
    app = read_app(options.app_id, {})
    new = mint()
    if options.toml:
        key = new.kept(new.secret, now_s, now_s + options.days if options.days else 0.0)
        print(toml_of(App(app.app_id, _scopes(options), (key,))))
        print(f"the key of {app.app_id}, shown only here: {new.token}", file=sys.stderr)
        return
    key = new.kept(new.sealed(desk.settings.seal_key), now_s, now_s + options.days if options.days else 0.0)
    desk.act("keys create", app.app_id, create_app(app.app_id, _scopes(options), key))
    _show(desk, app.app_id, new)


def scope(desk: Desk) -> None:
    """Changes what an application may do."""
    app = desk.act("keys scope", desk.options.app_id, set_scopes(desk.options.app_id, _scopes(desk.options)))
    described = describe_app(app, time.time())
    desk.show(described, lambda: _print_apps([described]))


def rotate(desk: Desk) -> None:
    """Gives an application a second key."""
    options, now_s = desk.options, time.time()
    new = mint()
    key = new.kept(new.sealed(desk.settings.seal_key), now_s, now_s + options.days if options.days else 0.0)
    desk.act("keys rotate", options.app_id, rotate_key(options.app_id, key, options.overlap, now_s))
    _show(desk, options.app_id, new)


def revoke(desk: Desk) -> None:
    """Takes keys back."""
    revoked = desk.act("keys revoke", desk.options.name, revoke_keys(desk.options.name, time.time()))
    desk.show(revoked, lambda: print_table(("REVOKED",), [(name,) for name in revoked]))


def _show(desk: Desk, app_id: str, new: NewKey) -> None:
    signs = bool(desk.settings.seal_key)
    document = new.shown(app_id, signs)
    desk.show(document, lambda: print_table(("SHOWN ONLY HERE", ""), document.items()))
    if not signs:
        print(
            "athena: it cannot sign requests: without ATHENA_SEAL_KEY no secret can be kept",
            file=sys.stderr,
        )
