"""What each fault takes hold of: which others may go on beside it, and whose workers it may shut out."""

from dataclasses import dataclass

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
    """

    lasts_s: float
    uses: frozenset[str] = frozenset()
    severs: frozenset[str] = frozenset()
    stops: frozenset[str] = frozenset()

    def excludes(self, other: "Trait") -> bool:
        """Whether two faults may not go on at the same time."""
        return bool(self.uses & other.uses)


def _trait(lasts_s: float, *uses: str, severs: tuple[str, ...] = (), stops: tuple[str, ...] = ()) -> Trait:
    return Trait(lasts_s, frozenset(uses), frozenset(severs), frozenset(stops))


BOTH = (NEAR, FAR)

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
    "host frozen, then back": _trait(8, FAR_HOST, LINK, severs=(FAR,)),
    "network black hole": _trait(8, FAR_HOST, LINK, severs=(FAR,)),
    "replies lost": _trait(4, FAR_HOST, LINK, severs=(FAR,)),
    "connections cut, long calls": _trait(10, REDIS, LINK, GATEWAYS),
    "poison": _trait(6, MEMORY, severs=BOTH),
    "all replaced (SIGHUP)": _trait(15, NEAR_HOST, GATEWAYS, stops=(NEAR,)),
    "redis killed": _trait(3, REDIS),
    "redis restarted": _trait(3, REDIS),
    "redis frozen": _trait(8, REDIS),
    "redis without replicas": _trait(8, REDIS),
    "redis' disk full": _trait(9, REDIS),
    # Who became known in that second is none any more, and ends.
    "redis back a second": _trait(4, REDIS, MEMORY, severs=BOTH),
}
