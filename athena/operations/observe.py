"""What a gateway and a supervisor see of the fleet, anew each second, and the janitor's work that follows.

It is a generator of commands (`athena.operations.steps`), which the links of both drive.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from athena.fleet.janitor import Janitor
from athena.fleet.registry import readable
from athena.fleet.view import WRITE_PROBE, FleetView
from athena.operations.deaths import tell_of_jobs
from athena.operations.steps import Attempt, Step, Steps
from athena.protocol.interface import Interface
from athena.settings import Settings
from athena.store.checks import read_info
from athena.store.fencing import fenced_jobs
from athena.store.keys import ABILITIES, BEATS, FAILURES, FORGOTTEN, HOSTS, WORKERS
from athena.store.scripts import Command, pairs

logger = logging.getLogger(__name__)

#: What says which abilities there are.
_ABILITIES = (ABILITIES, FORGOTTEN, FAILURES)

#: The whole of INFO, and the part of it that is read between.
_SERVER, _MEMORY = ("INFO",), ("INFO", "memory")


@dataclass(frozen=True)
class Pace:
    """How often what seldom changes is read, in seconds; workers and their beats are read at each look.

    Attributes:
        abilities_s: which abilities are registered, and why some do not start.
        hosts_s: what supervisors tell of their hosts.
        server_s: how Redis is set; None for an observer that does not ask it anything of the kind, not even
            how full it is.
    """

    abilities_s: float
    hosts_s: float
    server_s: float | None = None


@dataclass(frozen=True)
class Sighting:
    """What a look has found, beside what the fleet view holds.

    Attributes:
        forgotten: the abilities that an operator has had forgotten since the last look.
        reports: what supervisors tell, by their names; None where that was not read.
        memory: what INFO says of the memory; None where it was not asked.
        server: all that INFO says; None where it was not asked.
    """

    forgotten: tuple[str, ...]
    reports: Mapping[bytes, bytes] | None
    memory: Mapping[str, str] | None
    server: Mapping[str, str] | None


class Observer:
    """One process' eye on the fleet.

    Args:
        read_ability: reads what a worker has registered of its ability; may refuse it as `Interface.decode`
            does, and it is as if it were not there.
    """

    def __init__(
        self, settings: Settings, now_s: float, read_ability: Callable[[bytes], Interface] = Interface.decode
    ) -> None:
        self.fleet = FleetView(settings.unserved_grace_s, now_s, settings.on_demand)
        self._janitor = Janitor(self.fleet, settings.record_ttl_s, settings.dead_ttl_s)
        self._read_ability = read_ability
        self._known: dict[bytes, bytes] = {}
        self._read_s: dict[str, float] = {}

    def look(self, now_s: float, wall_clock_s: float, pace: Pace) -> Steps[Sighting]:
        """Looks once, and does what a janitor has to do then; call it about once a second.

        Args:
            now_s: of a monotonic clock.
            wall_clock_s: seconds since 1970.
            pace: what is due is read beside what is always read.
        """
        reads = self._due(now_s, pace)
        # A Redis that refuses heartbeats still answers the others, and all workers would look silent.
        *replies, probe = yield [*reads.values(), Attempt(WRITE_PROBE)]
        told = dict(zip(reads, replies, strict=True))
        # Only now: what was asked for and not answered is due at the next look.
        self._read_s.update(dict.fromkeys(told, now_s))
        takes_writes = not isinstance(probe, Exception)
        self.fleet.observe(now_s, pairs(told[WORKERS]), pairs(told[BEATS]), takes_writes)
        forgotten = self._learn(told, wall_clock_s) if ABILITIES in told else ()
        reports = pairs(told[HOSTS]) if HOSTS in told else None
        if reports is not None:
            self.fleet.observe_hosts(wall_clock_s, reports)
        if takes_writes:
            yield from self._keep_house(now_s)
        server = read_info(told["server"]) if "server" in told else None
        memory = read_info(told["memory"]) if "memory" in told else server
        return Sighting(forgotten, reports, memory, server)

    def _due(self, now_s: float, pace: Pace) -> dict[str, Command]:
        """Returns what is to be read now, by name."""

        def is_due(name: str, every_s: float) -> bool:
            return now_s - self._read_s.get(name, float("-inf")) >= every_s

        keys = [WORKERS, BEATS]
        if is_due(ABILITIES, pace.abilities_s):
            keys += _ABILITIES
        if is_due(HOSTS, pace.hosts_s):
            keys.append(HOSTS)
        reads: dict[str, Command] = {key: ("HGETALL", key) for key in keys}
        if pace.server_s is not None:
            # All of it is several times as much.
            is_whole = is_due("server", pace.server_s)
            reads["server" if is_whole else "memory"] = _SERVER if is_whole else _MEMORY
        return reads

    def _learn(self, told: Mapping[str, list[bytes]], wall_clock_s: float) -> tuple[str, ...]:
        """Takes in which abilities there are; returns those that are forgotten from now on."""
        abilities = pairs(told[ABILITIES])
        self.fleet.observe_failures(wall_clock_s, pairs(told[FAILURES]))
        # One that is only missing stays: Redis may have lost it, and its workers not have told of it again.
        gone = (pairs(told[FORGOTTEN]).keys() - abilities.keys()) & self._known.keys()
        for raw in gone:
            del self._known[raw]
            self.fleet.forget(raw.decode())
            logger.info("forgot %s", raw.decode())
        changed = {key: raw for key, raw in abilities.items() if self._known.get(key) != raw}
        for service_id, interface in readable(changed, self._read_ability):
            self.fleet.learn(interface)
            self._known[service_id.encode()] = changed[service_id.encode()]
            logger.info("learned the interface of %s", service_id)
        return tuple(raw.decode() for raw in gone)

    def _keep_house(self, now_s: float) -> Steps[None]:
        chores = self._janitor.commands(now_s)
        attempts: list[Step] = [Attempt(command) for command, _ in chores]
        replies = (yield attempts) if attempts else ()
        for (_, death), reply in zip(chores, replies, strict=True):
            if isinstance(reply, Exception):
                logger.warning("the janitor was refused: %s", reply)
            elif death is not None:
                # Who finds a dead host is on another one: the log of a job has to tell of it here.
                tell_of_jobs(fenced_jobs(reply), death)
