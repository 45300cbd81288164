"""How Redis is, for Prometheus."""

from collections.abc import Iterator, Mapping

from athena.telemetry.metrics import (
    REDIS_AOF_OK,
    REDIS_CLIENTS,
    REDIS_ERRORS,
    REDIS_LATENCY,
    REDIS_MEMORY,
    REDIS_MEMORY_LIMIT,
    REDIS_UP,
    REDIS_UPTIME,
    Sample,
)

_NUMBERS = {
    "used_memory": REDIS_MEMORY,
    "maxmemory": REDIS_MEMORY_LIMIT,
    "total_error_replies": REDIS_ERRORS,
    "connected_clients": REDIS_CLIENTS,
    "uptime_in_seconds": REDIS_UPTIME,
}

_AOF_STATUS = ("aof_last_write_status", "aof_last_bgrewrite_status")


def redis_samples(latency_s: float | None, info: Mapping[str, str]) -> Iterator[Sample]:
    """Returns how Redis is.

    Args:
        latency_s: how long a round trip took; None where there was no answer.
        info: what it said last of itself.
    """
    yield Sample(REDIS_UP, (), int(latency_s is not None))
    if latency_s is None:
        return
    yield Sample(REDIS_LATENCY, (), latency_s)
    for name, metric in _NUMBERS.items():
        if name in info:
            yield Sample(metric, (), int(info[name]))
    if "aof_enabled" in info:
        is_sound = all(info.get(name, "ok") == "ok" for name in _AOF_STATUS)
        yield Sample(REDIS_AOF_OK, (), int(is_sound or info["aof_enabled"] == "0"))
