"""What must go on while no worker is alive: passing on the jobs of the dead, expiring what is overdue.

Pure: it is fed with what Redis says and a monotonic clock, and says which commands to send. Every gateway and
every supervisor has one; what they do is idempotent, so they need not agree.
"""

from collections.abc import Iterable

from athena.fleet.view import FleetView
from athena.jobs.queues import ANY, queues_of_targets
from athena.protocol.interface import Interface, Limits
from athena.store.fencing import Death, fence_command, sweep_command
from athena.store.scripts import Command

SWEEP_S = 1.0

#: How often the bytes of open jobs are counted anew, and abilities without jobs looked after.
THOROUGH_S = 60.0


class Janitor:
    """The janitor of one process.

    Args:
        fleet: what this process sees of the workers.
        record_ttl_s: how long ended jobs are listed.
        dead_ttl_s: how long dead letters are kept.
    """

    def __init__(self, fleet: FleetView, record_ttl_s: float, dead_ttl_s: float) -> None:
        self._fleet = fleet
        self._record_ttl_s = record_ttl_s
        self._dead_ttl_s = dead_ttl_s
        self._swept_s = float("-inf")
        self._looked_closely_s = float("-inf")

    def commands(self, now_s: float) -> list[tuple[Command, Death | None]]:
        """Returns what is to be done now; call it after each reading of the registry.

        Each with the death that it is about, if it is; its answer names the jobs of that worker.
        """
        return [*self._fences(now_s), *((command, None) for command in self._sweeps(now_s))]

    def _fences(self, now_s: float) -> Iterable[tuple[Command, Death]]:
        for worker in self._fleet.dead_workers(now_s):
            interface = self._fleet.interfaces.get(worker.service_id)
            death = Death(
                reason=f"{worker.name} and its supervisor fell silent",
                # Its supervisor is gone too, and with it whoever could tell in which calls it died.
                blamed=None,
                max_attempts=max_attempts(interface),
                dead_ttl_s=self._dead_ttl_s,
                service_id=worker.service_id,
                gpu_type=worker.gpu_type,
                cause="silent",
                worker=worker.name,
            )
            # With the beat that was seen last: this process may stand still before the command leaves.
            yield fence_command(worker.incarnation, death, self._fleet.last_beat(worker.incarnation)), death

    def _sweeps(self, now_s: float) -> Iterable[Command]:
        if now_s - self._swept_s < SWEEP_S:
            return
        self._swept_s = now_s
        thorough = now_s - self._looked_closely_s >= THOROUGH_S
        if thorough:
            self._looked_closely_s = now_s
        for interface in self._fleet.swept:
            yield sweep_command(
                interface.service_id,
                queues_of(interface),
                self._record_ttl_s,
                self._dead_ttl_s,
                thorough,
                self._fleet.rerouting(now_s, interface),
            )


def queues_of(interface: Interface) -> list[str]:
    """Returns the queues of an ability that are known before anything was sent to it."""
    return queues_of_targets(interface.service_id, (*interface.gpu_types, ANY))


def max_attempts(interface: Interface | None) -> int:
    """Returns after how many deaths a job of an ability is poisoned."""
    return (interface.limits if interface is not None else Limits()).max_attempts
