"""What a supervisor does in Redis: heartbeats for its workers, fences for its dead, the janitor's work."""

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from redis.exceptions import RedisError, ResponseError

from athena.devices.host import host_name
from athena.errors import StoreError
from athena.fleet.host_report import HostReport
from athena.fleet.name_claim import NameClaim, this_process
from athena.fleet.registry import readable
from athena.fleet.view import HOSTS_S, MAX_GAP_S, Failure
from athena.operations.deaths import tell_of_jobs
from athena.operations.observe import Observer, Pace
from athena.operations.steps import Steps, run_steps_together
from athena.settings import Settings
from athena.store.address import RedisAddress
from athena.store.fencing import (
    Beat,
    Death,
    beat_command,
    beats,
    fence_command,
    fenced_jobs,
)
from athena.store.keys import FAILURES, HOSTS, ORDERS, SIZES, counts_key, load_key
from athena.store.link import BlockingLink
from athena.store.scripts import Command, pairs

logger = logging.getLogger(__name__)

BEAT_S = 1.0

#: Redis is asked from the supervisor's only thread, so it must not be waited for long.
REDIS_TIMEOUT_S = 2.0

#: How often a supervisor looks for newly registered abilities.
LEARN_S = 10.0

PACE = Pace(abilities_s=LEARN_S, hosts_s=HOSTS_S)

#: What a supervisor told that has been silent for so long is dropped.
FORGET_HOST_S = 3600.0


class Kept(Protocol):
    """A worker process in a keeper's care."""

    name: str

    @property
    def node_name(self) -> str:
        """What operators call it."""

    @property
    def incarnation(self) -> str:
        """The id of its present process."""

    @property
    def is_beating(self) -> bool:
        """Whether it is to be counted as alive."""

    def on_beat(self, beat: Beat, order: str) -> None:
        """Called with what Redis says of it, and what an operator wants of it."""


class FleetKeeper:
    """Heartbeats for all workers of one supervisor, and the fencing of those that died."""

    def __init__(self, target: RedisAddress | str, settings: Settings) -> None:
        self._link = BlockingLink(target, REDIS_TIMEOUT_S)
        self.dead_ttl_s = settings.dead_ttl_s
        self._observer = Observer(settings, time.monotonic())
        self._claim = NameClaim(self._link.execute, host_name(), this_process())
        self._workers: list[Kept] = []
        self._fences: deque[tuple[Command, Death]] = deque()
        self._hosts: dict[str, bytes] = {}
        self._published: set[str] = set()
        self._due_s = 0.0
        self._ticked_s = float("-inf")
        #: service_id -> processes that an operator wants on the CPU of each host, as it was read last.
        self.sizes: dict[str, int] = {}
        #: Since when Redis answers every time; None while it does not.
        self.in_contact_since_s: float | None = None

    def claim_name(self, suffix: str = "", by_force: bool = False) -> str:
        """Makes names of workers our own, with a suffix or with one that is free (see `NameClaim.take`).

        Raises:
            StoreError: Redis does not do it.
        """
        try:
            return self._claim.take(suffix, by_force)
        except RedisError as error:
            raise StoreError(f"Redis does not take a claim on the names of workers: {error}") from None

    def release_name(self) -> None:
        """Gives these names up; a Redis that is gone forgets them by itself."""
        try:
            self._claim.release()
        except RedisError as error:
            logger.info("cannot give up the names of our workers: %s", error)

    def add(self, worker: Kept) -> None:
        """Takes a worker into care."""
        self._workers.append(worker)

    def remove(self, worker: Kept) -> None:
        """Lets a worker go that has ended for good."""
        self._workers.remove(worker)

    def publish_host(self, name: str, document: bytes) -> None:
        """Lets gateways know how a supervisor's GPUs and workers are; told with the next heartbeat."""
        self._hosts[name] = document

    def tell_hosts(self) -> None:
        """Tells what was published at once, instead of with the next heartbeat."""
        try:
            self._send_hosts()
        except RedisError as error:
            logger.info("cannot tell how the host is: %s", error)

    def withdraw_hosts(self) -> None:
        """Tells that nobody looks after them any more."""
        self._hosts.clear()
        for name in self._published:
            self._note(("HDEL", HOSTS, name))

    def bury(self, incarnation: str, death: Death) -> None:
        """Passes the jobs of a dead worker on, now or as soon as Redis can be reached."""
        self._fences.append((fence_command(incarnation, death), death))
        try:
            self._send_fences()
        except RedisError as error:
            logger.warning("cannot pass on the jobs of a dead worker yet: %s", error)

    def tell_failure(self, service_id: str, detail: str, is_broken: bool = False) -> None:
        """Lets gateways know why an ability has no worker, and whether its process broke while it served."""
        self._note(("HSET", FAILURES, service_id, Failure(detail, time.time(), is_broken).encode()))

    def count_break(self, service_id: str) -> None:
        """Counts a process that was found broken."""
        self._note(("HINCRBY", load_key(service_id), "breaks", 1))

    def tell_load(self, service_id: str, gpu_type: str, load_s: float) -> None:
        """Lets gateways know how long it took until a worker served."""
        self._note(("HSET", counts_key(service_id), f"loaded_ms {gpu_type}", int(load_s * 1000)))

    def forget_failure(self, service_id: str) -> None:
        """Lets gateways know that it has one now."""
        self._note(("HDEL", FAILURES, service_id))

    def leave_order(self, node_name: str, order: str) -> None:
        """Leaves an operator's order as it was before another one that is not carried out."""
        self._note(("HSET", ORDERS, node_name, order))

    def forget_order(self, node_name: str) -> None:
        """An operator's order was carried out, or refused."""
        self._note(("HDEL", ORDERS, node_name))

    def on_tick(self, now_s: float) -> None:
        """Sends what is due; called by the supervisor."""
        if now_s < self._due_s:
            return
        # Set first, so that a Redis that is away is tried once a second and not at each tick.
        self._due_s = now_s + BEAT_S
        was_away, self._ticked_s = now_s - self._ticked_s > MAX_GAP_S, now_s
        try:
            self._send_beats()
            self._send_fences()
            self._send_hosts()
            self._keep_house(now_s)
            self._claim.renew()
        except RedisError as error:
            self.in_contact_since_s = None
            logger.warning("no heartbeat: %s", error)
            return
        # After a pause of our own the silence that we see in workers may be ours.
        if self.in_contact_since_s is None or was_away:
            self.in_contact_since_s = now_s

    def _note(self, command: Command) -> None:
        try:
            self._link.execute(command)
        except RedisError as error:
            logger.info("cannot leave a note in Redis: %s", error)

    def _send_beats(self) -> None:
        # A copy: what one of them is ordered may bring another one into our care.
        workers = list(self._workers)
        if not workers:
            return
        alive = [worker for worker in workers if worker.is_beating]
        # Of all: one that is drained or does not start has no heartbeat, and can be ordered to restart.
        names = [worker.node_name for worker in workers]
        answers, orders, self.sizes = run_steps_together(_beat(alive, names), self._link.run)
        heard = {worker.incarnation: beat for worker, beat in zip(alive, answers, strict=True)}
        for worker, order in zip(workers, orders, strict=True):
            worker.on_beat(heard.get(worker.incarnation, _NO_BEAT), order)

    def _send_hosts(self) -> None:
        while self._hosts:
            name, document = next(iter(self._hosts.items()))
            self._link.execute(("HSET", HOSTS, name, document))
            del self._hosts[name]
            self._published.add(name)

    def _keep_house(self, now_s: float) -> None:
        wall_clock_s = time.time()
        # Where Redis is far away, one journey for each command would take longer than a heart may be silent.
        seen = run_steps_together(self._observer.look(now_s, wall_clock_s, PACE), self._link.run)
        if seen.reports is not None:
            self._forget_hosts(seen.reports, wall_clock_s)

    def _forget_hosts(self, reports: Mapping[bytes, bytes], wall_clock_s: float) -> None:
        known = {
            name.encode()
            for name, report in readable(reports, HostReport.decode)
            if report.age_s(wall_clock_s) <= FORGET_HOST_S
        }
        # What cannot be read goes too: whoever lives tells of itself again.
        for name in reports.keys() - known:
            self._link.execute(("HDEL", HOSTS, name))

    def _send_fences(self) -> None:
        """Sends what is left; one that is refused is sent again, and keeps no other from being sent."""
        for fence, death in list(self._fences):
            try:
                fenced = fenced_jobs(self._link.execute(fence))
            except ResponseError as error:
                logger.error("Redis refused to pass on the jobs of a dead worker: %s", error)
                continue
            self._fences.remove((fence, death))
            tell_of_jobs(fenced, death)


def _beat(alive: Sequence[Kept], names: Sequence[str]) -> Steps[tuple[list[Beat], list[str], dict[str, int]]]:
    """Counts a heartbeat of each that is alive, and reads what operators want of those with these names."""
    beat = beat_command(worker.incarnation for worker in alive)
    answers, orders, sizes = yield [beat, ("HMGET", ORDERS, *names), ("HGETALL", SIZES)]
    texts = [order.decode(errors="replace") if order else "" for order in orders]
    return beats(answers), texts, dict(readable(pairs(sizes), int))


_NO_BEAT = Beat(is_fenced=False, canceled=frozenset())
