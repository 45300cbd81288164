"""What can be wrong with the keys of applications."""

from collections.abc import Iterable

from athena.access.apps import App
from athena.access.sealing import OpenSecret
from athena.operations.checkup.ailment import Ailment
from athena.plain_text import clipped

#: Names of applications are told up to this length.
MAX_NAMES_CHARS = 100


def key_ailments(apps: Iterable[App], now_s: float, open_secret: OpenSecret | None) -> list[Ailment]:
    """Returns what is wrong with keys in Redis, where every request needs one.

    Args:
        apps: all applications.
        now_s: seconds since 1970.
        open_secret: None without a seal key.
    """
    live = [(app.app_id, key) for app in apps for key in app.live_keys(now_s)]
    if not live:
        return [Ailment("every request needs a key, and there is none that opens", "athena keys create APP")]
    sealed = [(app_id, key) for app_id, key in live if key.secret]
    if open_secret is None:
        what = "ATHENA_SEAL_KEY is not set here, and secrets in Redis are sealed with one"
        remedy = "set it for gateways and `athena keys`: without it signatures cannot be checked"
        shut = sealed
    else:
        what = "secrets in Redis were sealed with another ATHENA_SEAL_KEY, so signatures are refused"
        remedy = "set the one that they were made with, or athena keys rotate APP"
        shut = [(app_id, key) for app_id, key in sealed if open_secret(key.api_key, key.secret) is None]
    if not shut:
        return []
    names = clipped(", ".join(sorted({app_id for app_id, _ in shut})), MAX_NAMES_CHARS)
    return [Ailment(f"{what}: those of {names}", remedy)]
