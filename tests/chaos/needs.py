"""What some faults need that not every machine or run has, and why it is not there."""

from tests.chaos import clock, disk, island

DISK, CLOCK, ISLAND, VERSIONS = "disk", "clock", "island", "versions"
ONE_SERVER, SENTINELS = "one server", "sentinels"

#: Those that the command line decides about, so nobody has to be told.
CHOSEN = {ONE_SERVER, SENTINELS, VERSIONS}


def missing(has_versions: bool, has_sentinels: bool) -> dict[str, str]:
    """Returns what is not there, and why; what is there is not in it."""
    watched = "Redis is a master that sentinels watch"
    found = {
        DISK: "" if disk.is_possible() else "the kernel lets nobody watch system calls (seccomp)",
        CLOCK: "" if clock.find_faketime() else "libfaketime is not installed (Debian's package faketime)",
        ISLAND: island.why_not(),
        ONE_SERVER: watched if has_sentinels else "",
        SENTINELS: "" if has_sentinels else "Redis is one server (--redis)",
        VERSIONS: "" if has_versions else "no other version was named (--beside)",
    }
    if has_sentinels:
        found |= dict.fromkeys((DISK, CLOCK, ISLAND), watched)
    return {need: why for need, why in found.items() if why}
