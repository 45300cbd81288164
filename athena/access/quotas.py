"""How much applications may use, of everything and of one ability."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson

from athena.access.documents import MAX_APP_ID_CHARS
from athena.errors import ConfigError, QuotaError
from athena.protocol.paths import main_of

#: Stands for all applications that have no quota of their own.
ALL_OTHERS = "*"

NUL = "\0"

#: No limit, as scripts read it.
_NONE = "-"


@dataclass(frozen=True)
class Quota:
    """The limits of one application, of all abilities together or of one; None where there is none.

    Attributes:
        requests_per_s: requests to run a job, on average.
        burst: how many of them may come at once; by default those of one second, and one at least.
        jobs: jobs that wait or are run.
        queued_jobs: jobs that wait.
        bytes: messages and inputs of the jobs that wait or are run.
        device_s_a_day: seconds of GPUs and CPUs that calls of the wrapper take, from 00:00 UTC on; jobs that
            share a call share its time.
    """

    requests_per_s: float | None = None
    burst: int | None = None
    jobs: int | None = None
    queued_jobs: int | None = None
    bytes: int | None = None
    device_s_a_day: int | None = None

    def text(self) -> str:
        """Returns what `store/lua/lib/quota.lua` reads."""
        burst = self.burst or (max(1, int(self.requests_per_s)) if self.requests_per_s else None)
        device_ms = None if self.device_s_a_day is None else self.device_s_a_day * 1000
        rate = None if self.requests_per_s is None else f"{self.requests_per_s:g}"
        limits = (rate, burst, self.jobs, self.queued_jobs, self.bytes, device_ms)
        return " ".join(_NONE if limit is None else str(limit) for limit in limits)

    def document(self) -> dict[str, Any]:
        """Returns its limits, without those that it has not."""
        return {name: value for name, value in asdict(self).items() if value is not None}


LIMITS = tuple(item.name for item in fields(Quota))


def read_quota(document: Any) -> Quota:
    """Reads a quota.

    Raises:
        ConfigError: it is not as it must be; the message names the limit.
    """
    if not isinstance(document, Mapping):
        raise ConfigError("a quota is an object of limits")
    for name, value in document.items():
        if name not in LIMITS:
            raise ConfigError(f"there is no limit {name!r}; there are {', '.join(LIMITS)}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value < 1e12:
            raise ConfigError(f"{name} must be above 0, got {value!r}")
        if name != "requests_per_s" and value != int(value):
            raise ConfigError(f"{name} must be a whole number, got {value!r}")
    quota = Quota(**document)
    if quota.burst is not None and quota.requests_per_s is None:
        raise ConfigError("burst needs requests_per_s")
    return quota


def check_app_id(app_id: str) -> str:
    """Returns the name of an application that may have a quota.

    Raises:
        ConfigError: no request can carry it.
    """
    if not (0 < len(app_id) <= MAX_APP_ID_CHARS and app_id.isprintable()):
        raise ConfigError(f"an app_id has 1 to {MAX_APP_ID_CHARS} printable characters, got {app_id!r}")
    return app_id


class QuotaBook:
    """The quotas that a gateway knows.

    Args:
        names_are_proven: whether an app_id is known to be its caller's own, by a key.
    """

    def __init__(self, names_are_proven: bool) -> None:
        self._names_are_proven = names_are_proven
        self._by_name: dict[tuple[str, str], str] = {}
        #: (app, ability) -> what is sent to Redis.
        self._found: dict[tuple[str, str], str] = {}

    def replace(self, entries: Iterable[tuple[str, str, Quota]]) -> None:
        """Knows these from now on: application, ability or "" for all, quota."""
        by_name = {(app_id, service_id): quota.text() for app_id, service_id, quota in entries}
        if by_name != self._by_name:
            self._by_name, self._found = by_name, {}

    def find(self, app_id: str, service_id: str) -> str:
        """Returns the app that a job is counted for, and its limits, as scripts read them; "" for no count.

        Names that anybody may invent share one account: else a new name would be a new quota.
        """
        if not self._by_name:
            return ""
        name = (app_id, service_id)
        found = self._found.get(name)
        if found is None:
            found = self._look_up(app_id, service_id)
            if found and len(self._found) < 10_000:
                self._found[name] = found
        return found

    def _look_up(self, app_id: str, service_id: str) -> str:
        # All versions of an ability count together.
        service_id = main_of(service_id)
        own = (self._by_name.get((app_id, "")), self._by_name.get((app_id, service_id)))
        if any(text is not None for text in own):
            return _text(app_id, own)
        others = (self._by_name.get((ALL_OTHERS, "")), self._by_name.get((ALL_OTHERS, service_id)))
        if all(text is None for text in others):
            return ""
        return _text(app_id if self._names_are_proven else ALL_OTHERS, others)


def _text(app: str, texts: tuple[str | None, str | None]) -> str:
    return NUL.join((app, *(text or "" for text in texts)))


def decode_quotas(pairs: Mapping[bytes, bytes]) -> tuple[list[tuple[str, str, Quota]], list[str]]:
    """Reads what Redis holds; returns the quotas, and what is wrong with those that cannot be read."""
    found, faults = [], []
    for field, raw in sorted(pairs.items()):
        app_id, _, service_id = field.decode(errors="replace").partition(NUL)
        try:
            found.append((app_id, service_id, read_quota(orjson.loads(raw))))
        except (ConfigError, orjson.JSONDecodeError) as error:
            faults.append(f"{app_id} {service_id}: {error}")
    return found, faults


#: What a limit is called to its caller.
_WORDS = {
    "requests": "requests a second",
    "jobs": "jobs that wait or are run",
    "queued_jobs": "jobs that wait",
    "bytes": "bytes of jobs that wait or are run",
    "device_s_a_day": "seconds of devices a day (UTC)",
}


def over_quota(detail: str, app_id: str, service_id: str) -> QuotaError:
    """Returns why a job is over a quota, from what the script says of it."""
    whose, what, limit, wait_ms = detail.split()
    where = f" of {service_id}" if whose == "ability" else ""
    name = "requests_per_s" if what == "requests" else what
    return QuotaError(
        f"{app_id} may have {limit.partition('/')[0]} {_WORDS[what]}{where} ({name}); there would be more",
        retry_after_s=max(1, math.ceil(int(wait_ms) / 1000)),
    )


def rate_left(rate: str) -> tuple[tuple[bytes, bytes], ...]:
    """Returns the headers that tell callers how much they have left (draft-ietf-httpapi-ratelimit-headers).

    Args:
        rate: what the script says with `accepted`.
    """
    if not rate:
        return ()
    whose, burst, per_s, left = rate.split()
    return _fields(whose, int(burst), float(per_s), int(left))


def nothing_left(detail: str) -> tuple[tuple[bytes, bytes], ...]:
    """Returns the same of a job that is over a quota, from what the script says with `quota`."""
    whose, what, limit, wait_ms = detail.split()
    wait_s = max(1, math.ceil(int(wait_ms) / 1000))
    if what == "requests":
        rate_text, _, burst = limit.partition("/")
        return _fields(whose, int(burst), float(rate_text), 0)
    name = f"{whose}-{what}"
    return _headers(f'"{name}";q={limit}', f'"{name}";r=0;t={wait_s}')


def _fields(whose: str, burst: int, rate: float, left: int) -> tuple[tuple[bytes, bytes], ...]:
    window_s, full_s = math.ceil(burst / rate), math.ceil((burst - left) / rate)
    return _headers(f'"{whose}";q={burst};w={window_s}', f'"{whose}";r={left};t={full_s}')


def _headers(policy: str, state: str) -> tuple[tuple[bytes, bytes], ...]:
    return (b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())
