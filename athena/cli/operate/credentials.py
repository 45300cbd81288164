"""`athena keys`: applications and their keys."""

import argparse
import sys
import time
from dataclasses import replace
from typing import Any

from athena.access.apps import App
from athena.access.documents import read_app
from athena.access.keys_file import toml_of
from athena.access.minting import NewKey, mint
from athena.access.scopes import RIGHTS, Right, Role, Scopes
from athena.cli.operate.operator import Desk, Subparsers, add_group, add_verb, print_table
from athena.cli.operate.served import tell_of_unserved
from athena.errors import ConfigError
from athena.operations.credentials import (
    OVERLAP_S,
    change_scopes,
    create_app,
    describe_app,
    list_apps,
    revoke_keys,
    rotate_key,
)
from athena.protocol.enums import LANES

_DAY_S = 86400

#: Stands for all abilities.
EVERY = "*"


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    group = add_group(commands, "keys", "applications and their keys")
    add_verb(group, "ls", "list applications and their keys", ls)
    created = add_verb(group, "create", "make an application, and show its first key once", create)
    _add_scopes(created, has_defaults=True)
    _add_days(created)
    created.add_argument(
        "--toml",
        action="store_true",
        help="print it for a file of keys (ATHENA_KEYS_FILE); Redis has no part in it",
    )
    text = "change what an application may do; what is not named stays, and so do its keys"
    _add_scopes(add_verb(group, "scope", text, scope), has_defaults=False)
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


def _add_scopes(parser: argparse.ArgumentParser, has_defaults: bool) -> None:
    def default(text: str) -> str:
        return f" (default: {text})" if has_defaults else ""

    parser.add_argument("app_id", help="the app_id that its requests carry")
    parser.add_argument(
        "--role",
        choices=[str(role) for role in Role],
        help=f"what it may see and do{default('caller')}",
    )
    parser.add_argument(
        "--ability",
        action="append",
        metavar="ID",
        help=f"it may run this one only, '{EVERY}' all; may be repeated{default('all')}",
    )
    parser.add_argument(
        "--right",
        action="append",
        choices=[str(right) for right in RIGHTS],
        help=f"it may do this only; may be repeated{default('all')}",
    )
    parser.add_argument("--highest-lane", choices=LANES, help=f"its most urgent priority{default('high')}")
    for name, text in (("--gpu-id", "name a GPU"), ("--exclusive", "ask to be run alone")):
        parser.add_argument(
            name, action=argparse.BooleanOptionalAction, help=f"whether its jobs may {text}{default('yes')}"
        )


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


def _scopes(options: argparse.Namespace) -> dict[str, Any]:
    """Returns those that are named, by the names of `Scopes`."""
    named = {
        "role": Role(options.role) if options.role else None,
        "rights": frozenset(map(Right, options.right)) if options.right else None,
        "highest_lane": options.highest_lane,
        "gpu_id": options.gpu_id,
        "exclusive": options.exclusive,
    }
    found = {name: value for name, value in named.items() if value is not None}
    if options.ability:
        found["abilities"] = None if EVERY in options.ability else frozenset(options.ability)
    return found


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
    scopes, new = Scopes(**_scopes(options)), mint()
    if options.toml:
        key = new.kept(new.secret, now_s, now_s + options.days if options.days else 0.0)
        print(toml_of(App(app.app_id, scopes, (key,))))
        print(f"the key of {app.app_id}, shown only here: {new.token}", file=sys.stderr)
        return
    key = new.kept(new.sealed(desk.settings.seal_key), now_s, now_s + options.days if options.days else 0.0)
    desk.act("keys create", app.app_id, create_app(app.app_id, scopes, key))
    _show(desk, app.app_id, new)
    tell_of_unserved(desk, scopes.abilities or ())


def scope(desk: Desk) -> None:
    """Changes what an application may do.

    Raises:
        ConfigError: nothing is named that is to change.
    """
    app_id, named = desk.options.app_id, _scopes(desk.options)
    if not named:
        raise ConfigError("name what is to change, such as --ability; athena keys scope --help lists it")
    app = desk.act("keys scope", app_id, change_scopes(app_id, lambda scopes: replace(scopes, **named)))
    described = describe_app(app, time.time())
    desk.show(described, lambda: _print_apps([described]))
    tell_of_unserved(desk, named.get("abilities") or ())


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
