"""What operators do with quotas, and what applications have used."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from athena.access.quotas import NUL, Quota, check_app_id, decode_quotas
from athena.errors import ConfigError, NotFoundError
from athena.operations.steps import Steps
from athena.protocol.paths import is_side, main_of
from athena.store.books.accounts import decode_account
from athena.store.keys import ACCOUNTS, QUOTAS, account_key, usage_key
from athena.store.scripts import pairs

DAY_S = 86_400

#: Use of so many days is kept (`store/lua/lib/meter.lua`).
MAX_DAYS = 100


def list_quotas() -> Steps[list[tuple[str, str, Quota]]]:
    """Lists all quotas: application, ability or "" for all, limits. One that cannot be read is left out."""
    found, _ = decode_quotas(pairs((yield ("HGETALL", QUOTAS))))
    return found


def set_quota(app_id: str, service_id: str, quota: Quota) -> Steps[None]:
    """Gives an application a quota, in place of the one it has.

    Raises:
        ConfigError: no request can carry the name, or the ability is a side version.
    """
    if is_side(service_id):
        raise ConfigError(f"all versions of an ability count together: name {main_of(service_id)}")
    field = _field(check_app_id(app_id), service_id)
    yield ("HSET", QUOTAS, field, orjson.dumps(quota.document()))


def drop_quota(app_id: str, service_id: str) -> Steps[None]:
    """Takes a quota away; what is open stays counted until it ends.

    Raises:
        NotFoundError: there is none.
    """
    if not (yield ("HDEL", QUOTAS, _field(app_id, service_id))):
        raise NotFoundError(f"{app_id} has no quota" + (f" for {service_id}" if service_id else ""))


def _field(app_id: str, service_id: str) -> str:
    return app_id + NUL + service_id if service_id else app_id


def open_of() -> Steps[dict[str, dict[str, int]]]:
    """Returns what each application has open now: jobs, those that wait, and bytes."""
    apps = sorted((yield ("SMEMBERS", ACCOUNTS)))
    replies = (
        (yield [("HGET", account_key(app.decode(errors="surrogateescape")), "") for app in apps])
        if apps
        else []
    )
    return {
        app.decode(errors="replace"): asdict(decode_account(raw))
        for app, raw in zip(apps, replies, strict=True)
    }


def usage_of(now_s: float, days: int, app_id: str = "") -> Steps[list[dict[str, Any]]]:
    """Returns what applications have used of each ability, a day after the other, the newest first.

    A request and its bytes count on the day on which its job ends.

    Args:
        now_s: seconds since 1970.
        days: how many, today included.
        app_id: only this one's; "" for all.
    """
    today = int(now_s // DAY_S)
    wanted = range(today, today - min(days, MAX_DAYS), -1)
    replies = yield [("HGETALL", usage_key(day)) for day in wanted]
    rows: list[dict[str, Any]] = []
    for day, reply in zip(wanted, replies, strict=True):
        rows += _rows_of(day, pairs(reply).items(), app_id)
    return rows


def _rows_of(day: int, fields: Iterable[tuple[bytes, bytes]], app_id: str) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for field, value in fields:
        app, service_id, what = field.decode(errors="replace").split(NUL, 2)
        if not service_id or (app_id and app != app_id):
            continue
        row = rows.setdefault((app, service_id), _row(day, app, service_id))
        kind, _, which = what.partition(" ")
        if kind == "jobs":
            row["jobs"][which] = int(value)
            row["requests"] += int(value)
        elif kind == "ms" and which:
            row["device_s"][which] = int(value) / 1000
        elif kind == "refused":
            row["refused"] = int(value)
            row["requests"] += int(value)
        elif kind in ("requests", "bytes"):
            row[kind] += int(value)
    return [rows[name] for name in sorted(rows)]


def _row(day: int, app: str, service_id: str) -> dict[str, Any]:
    counts = {"requests": 0, "refused": 0, "bytes": 0}
    return {"day": day, "app_id": app, "service_id": service_id, **counts, "jobs": {}, "device_s": {}}


def day_text(day: int) -> str:
    """Returns a day, counted from 1970, as a date."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).strftime("%Y-%m-%d")
