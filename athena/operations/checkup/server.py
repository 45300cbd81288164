"""What can be wrong with Redis itself."""

from collections.abc import Iterator, Mapping

from athena.operations.checkup.ailment import Ailment
from athena.store.checks import MEMORY_SHARE, memory_share, settings_fault

#: Of the connections that Redis takes, this part may be in use.
MAX_CLIENTS_SHARE = 0.9

#: While Redis makes a copy of itself for a rewrite, it answers nobody for so long at most.
MAX_FORK_US = 1_000_000

#: What of Redis' configuration loses jobs.
_LOSSES = {
    ("appendfsync", "no"): "a power failure loses what was accepted in the last half minute",
    ("no-appendfsync-on-rewrite", "yes"): "a power failure loses what was accepted since a rewrite began",
}
_SOUND = {"appendfsync": "everysec", "no-appendfsync-on-rewrite": "no"}

#: What `redis_ailments` wants to know of the configuration.
CONFIG = tuple(_SOUND)


def redis_ailments(info: Mapping[str, str], config: Mapping[str, str]) -> list[Ailment]:
    """Returns what is wrong with a server.

    Args:
        info: the answer of INFO.
        config: what CONFIG GET says of `CONFIG`; empty where Redis does not tell.
    """
    return [
        *_of_kind(info),
        *_of_persistence(info, config),
        *_of_memory(info),
        *_of_clients(info),
    ]


def _of_kind(info: Mapping[str, str]) -> Iterator[Ailment]:
    fault = settings_fault(info)
    if fault:
        what, _, remedy = fault.partition(": ")
        yield Ailment(what, remedy)


def _of_persistence(info: Mapping[str, str], config: Mapping[str, str]) -> Iterator[Ailment]:
    if info.get("aof_enabled") == "0":
        yield Ailment(
            "Redis writes no append-only file, so its restart loses jobs",
            "CONFIG SET appendonly yes, and in its configuration",
        )
    for (name, value), what in _LOSSES.items():
        if config.get(name) == value:
            yield Ailment(f"{name} of Redis is {value}: {what}", f"CONFIG SET {name} {_SOUND[name]}")
    for name in ("aof_last_write_status", "rdb_last_bgsave_status", "aof_last_bgrewrite_status"):
        if info.get(name, "ok") != "ok":
            yield Ailment(f"Redis cannot write to its disk ({name})", "look into its log; free space")
    fork_us = int(info.get("latest_fork_usec", 0))
    if fork_us > MAX_FORK_US:
        yield Ailment(
            f"Redis answered nobody for {fork_us / 1e6:.1f} s when it began to rewrite its file",
            "give it a machine of its own; switch off transparent_hugepage there",
        )


def _of_memory(info: Mapping[str, str]) -> Iterator[Ailment]:
    share = memory_share(info)
    if share > MEMORY_SHARE:
        yield Ailment(
            f"Redis uses {share:.0%} of its memory limit, and new jobs are refused",
            "raise maxmemory or ATHENA_REDIS_MEMORY_BYTES, or lower ATHENA_RESULT_TTL_S",
        )
    limit, total = int(info.get("maxmemory", 0)), int(info.get("total_system_memory", 0))
    used = int(info.get("used_memory_rss", 0))
    if total and limit > total:
        yield Ailment(
            f"maxmemory of Redis is {limit // 2**20} MiB, more than the {total // 2**20} MiB of its machine",
            "lower it, or the kernel ends Redis before it refuses jobs",
        )
    elif total and not limit and used > MEMORY_SHARE * total:
        yield Ailment(
            f"Redis has no memory limit and takes {used / total:.0%} of its machine",
            "set maxmemory, or the kernel ends Redis; purge queues, lower ATHENA_RESULT_TTL_S",
        )


def _of_clients(info: Mapping[str, str]) -> Iterator[Ailment]:
    clients, most = int(info.get("connected_clients", 0)), int(info.get("maxclients", 0))
    if most and clients > MAX_CLIENTS_SHARE * most:
        yield Ailment(
            f"Redis has {clients} of at most {most} connections, and refuses more",
            "CONFIG SET maxclients, and its limit of open files",
        )


def server_facts(info: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns what Redis is, for people; nothing where it did not answer."""
    if not info:
        return []
    limit = int(info.get("maxmemory", 0))
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = info.get("valkey_version") if name == "Valkey" else info.get("redis_version")
    used = f"{int(info.get('used_memory', 0)) // 2**20} MiB"
    clients, most = info.get("connected_clients", "?"), info.get("maxclients", "?")
    return [
        ("server", f"{name} {version or '?'}"),
        ("maxmemory-policy", info.get("maxmemory_policy", "?")),
        ("append-only file", "on" if info.get("aof_enabled") == "1" else "off"),
        ("memory of the server", f"{used} of {limit // 2**20} MiB" if limit else f"{used}, no limit"),
        ("connections of the server", f"{clients} of {most}"),
    ]
