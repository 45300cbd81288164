"""Names of queues: `<service_id>.<target>`, with `.high` or `.low` behind it for the other lanes. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from athena.devices.types import UUID_PREFIXES
from athena.protocol.enums import HIGH, LOW, NORMAL

#: The target of jobs that any worker of their ability may run.
ANY = "any"


@dataclass(frozen=True)
class QueueName:
    """A queue's name, taken apart.

    Attributes:
        target: a GPU type, `any`, or the UUID of a GPU, whose queue has no other lanes.
    """

    service_id: str
    target: str
    lane: str = NORMAL

    def __str__(self) -> str:
        return queue_name(self.service_id, self.target, self.lane)

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(name: str) -> "QueueName":
        """Reads a name; whatever is no queue of ours is an ability of that name."""
        service_id, _, rest = name.partition(".")
        target, dot, lane = rest.rpartition(".")
        if dot and lane in (HIGH, LOW):
            return QueueName(service_id, target, lane)
        return QueueName(service_id, rest)


def queue_name(service_id: str, target: str, lane: str = NORMAL) -> str:
    """Returns the name of an ability's queue for a GPU type, for `any`, or for one GPU."""
    name = f"{service_id}.{target}"
    return name if lane == NORMAL or is_gpu_id(target) else f"{name}.{lane}"


def is_gpu_id(target: str) -> bool:
    """Whether a target is a single GPU, or an instance of one."""
    return target.startswith(UUID_PREFIXES)


def queues_of_targets(service_id: str, targets: Iterable[str]) -> list[str]:
    """Returns the queues of some targets, with all of their lanes."""
    names = (queue_name(service_id, target, lane) for target in targets for lane in (NORMAL, HIGH, LOW))
    # A GPU has one queue for all lanes, which would be named three times.
    return list(dict.fromkeys(names))
