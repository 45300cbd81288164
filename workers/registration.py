"""A worker's entry in the registry, with the interface of its ability."""

import logging
import time

from redis.exceptions import RedisError

from athena.devices.types import CPU
from athena.fleet.launch import WorkerLaunch
from athena.fleet.worker_entry import WorkerEntry
from athena.protocol.interface import Interface
from athena.store.keys import ABILITIES, WORKERS
from athena.store.link import BlockingLink

logger = logging.getLogger(__name__)

#: How long a worker that is ready waits for a Redis that is away.
PATIENCE_S = 60.0

PAUSE_S = 0.5


def entry_of(launch: WorkerLaunch, interface: Interface, slots: int, is_on_cpu: bool) -> WorkerEntry:
    """Returns what a worker writes of itself.

    Args:
        launch: where its supervisor has put it.
        interface: what it serves.
        slots: how many jobs it may hold.
        is_on_cpu: whether its model could not be put on its GPU.
    """
    # Requests that insist on this GPU's type must not come to such a model.
    is_elsewhere = bool(launch.gpu_id) and is_on_cpu
    return WorkerEntry(
        incarnation=launch.incarnation,
        name=launch.name,
        service_id=interface.service_id,
        version=interface.version,
        gpu_type=CPU if is_elsewhere else launch.gpu_type,
        slots=slots,
        gpu_id="" if is_elsewhere else launch.gpu_id,
        gpu_label="" if is_elsewhere else launch.gpu_label,
        host=launch.host,
    )


class Registration:
    """Signs a worker on and off."""

    def __init__(self, link: BlockingLink) -> None:
        self._link = link

    def sign_on(self, entry: WorkerEntry, interface: Interface) -> None:
        """Writes the entry, and waits for a Redis that is away: a loaded model is not thrown away for that.

        Raises:
            redis.RedisError: it is away for longer, or refuses the entry.
        """
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                replies = self._link.run(
                    [
                        ("HSET", ABILITIES, interface.service_id, interface.encode()),
                        ("HSET", WORKERS, entry.incarnation, entry.encode()),
                    ]
                )
            except RedisError:
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(PAUSE_S)
                continue
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return

    def sign_off(self, entry: WorkerEntry) -> None:
        """Takes the entry away; if that fails, a supervisor or a janitor does it."""
        try:
            self._link.run([("HDEL", WORKERS, entry.incarnation)])
        except RedisError as error:
            logger.warning("cannot sign off: %s", error)
