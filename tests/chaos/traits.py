"""What each fault takes hold of: which others may go on beside it, and whose workers it may shut out."""

from dataclasses import dataclass

from tests.chaos.needs import CLOCK, DISK, ISLAND, ONE_SERVER, SENTINELS, VERSIONS

NEAR, FAR = "near", "far"

#: What only one fault at a time may break, or the other would break what it measures.
REDIS, LINK, FAR_HOST, GATEWAYS, NEAR_HOST, MEMORY = "redis", "link", "far", "gateways", "near", "memory"


@dataclass(frozen=True)
class Trait:
    """How a fault behaves.

    Attributes:
        lasts_s: about how long it takes until all is whole again, on a machine with nothing else to do.
        uses: what no other fault may touch meanwhile.
        severs: hosts whose workers may be killed, or shut out while they run jobs.
        stops: hosts whose workers are told to end, and give back what outlasts their time of grace.
        mutes: hosts whose workers are heard by nobody meanwhile; one that has to end then takes what it
            has not told with it.
        needs: what not every machine or run has (`tests/chaos/needs.py`).
    """

    lasts_s: float
    uses: frozenset[str] = frozenset()
    severs: frozenset[str] = frozenset()
    stops: frozenset[str] = frozenset()
    mutes: frozenset[str] = frozenset()
    needs: str = ""

    def excludes(self, other: "Trait") -> bool:
        """Whether two faults may not go on at the same time."""
        return bool(self.uses & other.uses)


def _trait(lasts_s: float, *uses: str, needs: str = "", **hosts: tuple[str, ...]) -> Trait:
    those = {word: frozenset(names) for word, names in hosts.items()}
    return Trait(lasts_s, frozenset(uses), needs=needs, **those)


BOTH = (NEAR, FAR)

_WHOLE_NEAR = (NEAR_HOST, GATEWAYS, REDIS, MEMORY)

TRAITS = {
    "worker killed": _trait(2, severs=BOTH),
    # It waits for a job of its own, which must not vanish.
    "worker with children killed": _trait(4, MEMORY, severs=BOTH),
    "host killed": _trait(9, FAR_HOST, severs=(FAR,)),
    "gateway killed": _trait(4, GATEWAYS),
    "worker stopped (SIGTERM)": _trait(7, stops=BOTH),
    # Its callers must hear of nothing: another gateway's end, or a Redis that is away, would be told to them.
    "gateway stopped, long calls": _trait(10, GATEWAYS, REDIS),
    # A worker that is frozen while it is replaced is killed, and one alone is not to be taken for dead.
    "worker frozen, then back": _trait(8, NEAR_HOST, severs=(NEAR,)),
    "host frozen, then back": _trait(8, FAR_HOST, LINK, severs=(FAR,), mutes=(FAR,)),
    "network black hole": _trait(8, FAR_HOST, LINK, severs=(FAR,), mutes=(FAR,), needs=ONE_SERVER),
    "replies lost": _trait(4, FAR_HOST, LINK, severs=(FAR,), mutes=(FAR,), needs=ONE_SERVER),
    "connections cut, long calls": _trait(10, REDIS, LINK, GATEWAYS, mutes=BOTH, needs=ONE_SERVER),
    "poison": _trait(6, MEMORY, severs=BOTH),
    "all replaced (SIGHUP)": _trait(15, NEAR_HOST, GATEWAYS, stops=(NEAR,)),
    "call overruns": _trait(6, MEMORY, severs=BOTH),
    "connections half open": _trait(8, FAR_HOST, LINK, severs=(FAR,), mutes=(FAR,), needs=ONE_SERVER),
    "link slow": _trait(9, FAR_HOST, LINK, severs=(FAR,), mutes=(FAR,), needs=ONE_SERVER),
    "host cut off": _trait(10, FAR_HOST, LINK, severs=(FAR,), mutes=(FAR,), needs=ISLAND),
    "host and redis lose power": _trait(15, *_WHOLE_NEAR, severs=BOTH, mutes=BOTH, needs=DISK),
    "supervisor and redis killed": _trait(15, *_WHOLE_NEAR, severs=BOTH, mutes=BOTH, needs=ONE_SERVER),
    "host of another version": _trait(20, FAR_HOST, LINK, stops=(FAR,), needs=VERSIONS),
    "near host of another version": _trait(25, NEAR_HOST, GATEWAYS, stops=(NEAR,), needs=VERSIONS),
    "gateway of another version": _trait(8, GATEWAYS, needs=VERSIONS),
    "master loses power": _trait(15, REDIS, MEMORY, severs=BOTH, mutes=BOTH, needs=SENTINELS),
    "master cut off": _trait(15, REDIS, MEMORY, severs=BOTH, mutes=BOTH, needs=SENTINELS),
    "redis killed": _trait(3, REDIS, mutes=BOTH, needs=ONE_SERVER),
    "redis restarted": _trait(3, REDIS, mutes=BOTH, needs=ONE_SERVER),
    "redis frozen": _trait(8, REDIS, mutes=BOTH, needs=ONE_SERVER),
    "redis without replicas": _trait(8, REDIS, mutes=BOTH, needs=ONE_SERVER),
    "redis' disk full": _trait(9, REDIS, mutes=BOTH, needs=ONE_SERVER),
    "redis' disk slow": _trait(8, REDIS, mutes=BOTH, needs=DISK),
    "redis' clock stepped": _trait(8, REDIS, needs=CLOCK),
    # Who became known in the time that is lost is none any more, and ends.
    "redis back a second": _trait(4, REDIS, MEMORY, severs=BOTH, mutes=BOTH, needs=ONE_SERVER),
    "redis loses power": _trait(4, REDIS, MEMORY, severs=BOTH, mutes=BOTH, needs=DISK),
    "redis' file torn": _trait(4, REDIS, MEMORY, severs=BOTH, mutes=BOTH, needs=DISK),
}
