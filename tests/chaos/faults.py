"""The faults of processes and networks, each with the time until what it broke is whole again."""

import contextlib
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import redis

from tests.chaos.deaths import BOTH, CANCELED, DIED, FAR, FENCED, KILLED, NEAR, STOPPED, Deaths
from tests.chaos.envelopes import LONG, SERVICES, envelope
from tests.chaos.failover_faults import FailoverFaults
from tests.chaos.families import offspring
from tests.chaos.limits import MAX_ATTEMPTS
from tests.chaos.load import LONG_S, Load
from tests.chaos.machine_faults import MachineFaults
from tests.chaos.network_faults import NetworkFaults
from tests.chaos.recovery import Recovery
from tests.chaos.redis_faults import RedisFaults
from tests.chaos.stage import Host, Stage, incarnation_of
from tests.proxy import Mode

#: Longer than an observer waits until it takes a silent worker for dead.
SILENCE_S = 7.0

#: The limit of a call that does not keep it.
OVERRUN_S = 1.0

Fault = Callable[[random.Random], float]


class Faults:
    """Each method breaks something, waits until it works again, and returns how long that took.

    Each says to `deaths` which processes it may end, and how.
    """

    def __init__(self, stage: Stage, load: Load, deaths: Deaths) -> None:
        self._stage = stage
        self._load = load
        self._deaths = deaths
        self._recovery = Recovery(stage, load)
        self.redis = RedisFaults(stage, deaths, self._recovery)
        self._network = NetworkFaults(stage, deaths, self._recovery)
        self._failover = FailoverFaults(stage, deaths, self._recovery, self.redis)
        self._machines = MachineFaults(stage, deaths, self._recovery, self.redis)

    def all(self) -> dict[str, Fault]:
        """Returns the faults by their names."""
        return {
            "worker killed": self.kill_worker,
            "worker with children killed": self.kill_family,
            "host killed": self.kill_host,
            "gateway killed": self.kill_gateway,
            "worker stopped (SIGTERM)": self.stop_worker,
            "gateway stopped, long calls": self.stop_gateway,
            "worker frozen, then back": self.freeze_worker,
            "host frozen, then back": self.freeze_host,
            "network black hole": self.black_hole,
            "replies lost": self.lose_replies,
            "connections cut, long calls": self.cut_connections,
            "poison": self.poison,
            "all replaced (SIGHUP)": self.replace_all,
            "call overruns": self.overrun,
            **self._network.all(),
            **self._machines.all(),
            **self._failover.all(),
            **self.redis.all(),
        }

    def run(self, name: str, seed: int = 0) -> float:
        """Makes the fault of a name; the seed chooses where and for how long."""
        with self._deaths.during(name):
            return self.all()[name](random.Random(seed))

    def kill_worker(self, dice: random.Random) -> float:
        """kill -9 of a worker; its jobs are passed on by its supervisor."""
        host = dice.choice((self._stage.near, self._stage.far))
        self._deaths.expect((host.name,), "worker", KILLED)
        worker = self._worker(host, dice)
        incarnation = incarnation_of(worker)
        worker.kill()
        return self._recovery.until_passed_on([incarnation])

    def kill_family(self, dice: random.Random) -> float:
        """kill -9 of a worker whose wrapper has started processes: they go with it."""
        tag = f"family-{uuid.uuid4().hex}"
        self._load.queue(tag, LONG, mode="family", seconds=3)

        def children() -> list[int]:
            return [child.worker_pid for child in offspring(self._stage.ledger_path, tag) if child.lives]

        self._recovery.until(children, "a wrapper has started processes")
        pid = children()[0]
        self._deaths.expect(BOTH, "worker", KILLED)
        worker = psutil.Process(pid)
        incarnation = incarnation_of(worker)
        worker.kill()
        return self._recovery.until(
            lambda: self._recovery.is_passed_on(incarnation) and pid not in children(),
            "its processes have ended, too",
        )

    def kill_host(self, dice: random.Random) -> float:
        """kill -9 of a supervisor and all below it; its jobs are passed on by others."""
        incarnations = self._stage.far.kill()
        self._deaths.count(len(incarnations))
        try:
            return self._recovery.until_passed_on(incarnations)
        finally:
            self._stage.far.start()
            self._recovery.until(lambda: self._stage.far.children("workers"), "the host is back")

    def kill_gateway(self, dice: random.Random) -> float:
        """kill -9 of a gateway that a supervisor restarts."""
        self._deaths.expect(NEAR, "gateway", KILLED)
        for process in self._stage.near.children("api"):
            process.kill()
        return self._recovery.until_answered(self._stage.urls[0])

    def stop_worker(self, dice: random.Random) -> float:
        """SIGTERM of a worker, which finishes what it runs."""
        host = dice.choice((self._stage.near, self._stage.far))
        # Its supervisor may see that it has signed off before it sees that it has ended.
        self._deaths.expect((host.name,), "worker", *STOPPED, FENCED)
        worker = self._worker(host, dice)
        incarnation = incarnation_of(worker)
        worker.terminate()
        return self._recovery.until_passed_on([incarnation])

    def stop_gateway(self, dice: random.Random) -> float:
        """SIGTERM of the gateway alone and another after it, under calls that outlast its time of grace."""
        with self._long_calls(self._stage.urls[1]):
            self._stage.gateway.stop()
        self._stage.gateway.start()
        return self._recovery.until_answered(self._stage.urls[1])

    def freeze_worker(self, dice: random.Random) -> float:
        """SIGSTOP of a worker that serves and whose supervisor lives: it is not taken for dead."""
        serving: list[psutil.Process] = []

        def is_any() -> bool:
            serving[:] = self._serving_nearby()
            return bool(serving)

        self._recovery.until(is_any, "a worker serves")
        # It cannot heed that the job of its call is canceled.
        self._deaths.expect(NEAR, "worker", CANCELED)
        self._freeze([dice.choice(serving)])
        return self._recovery.until_answered()

    def freeze_host(self, dice: random.Random) -> float:
        """SIGSTOP of a whole host, until others have passed its jobs on; it comes back as a zombie."""
        self._deaths.expect(FAR, "worker", FENCED, count=len(self._stage.services))
        self._deaths.expect_failing_starts(FAR)
        self._freeze(self._stage.far.everything())
        return self._recovery.until_answered()

    def black_hole(self, dice: random.Random) -> float:
        """A host's packets vanish for a while."""
        self._deaths.expect(FAR, "worker", FENCED, count=len(self._stage.services))
        self._deaths.expect_failing_starts(FAR)
        with self._stage.proxy.broken(Mode.BLACK_HOLE):
            time.sleep(SILENCE_S)
        return self._recovery.until_answered()

    def lose_replies(self, dice: random.Random) -> float:
        """What a host asks of Redis is carried out, and it never hears of it."""
        self._deaths.expect_failing_starts(FAR)
        with self._stage.proxy.broken(Mode.DROP_REPLIES):
            time.sleep(dice.uniform(0.2, 3))
        return self._recovery.until_answered()

    def cut_connections(self, dice: random.Random) -> float:
        """All connections to Redis break, as often as a job may be tried, while long calls go on."""
        self._deaths.expect_failing_starts(BOTH)
        with self._long_calls(dice.choice(self._stage.urls)):
            for _ in range(MAX_ATTEMPTS):
                self._stage.proxy.heal()
                self._stage.one_redis.cut()
                time.sleep(dice.uniform(0.5, 1.5))
        return self._recovery.until_answered()

    def poison(self, dice: random.Random) -> float:
        """An input that kills each worker that runs it."""
        self._deaths.expect(BOTH, "worker", DIED, count=MAX_ATTEMPTS, by_job=True)
        job_id = self._load.queue(f"poison-{uuid.uuid4().hex}", is_poison=True, mode="die")
        return self._recovery.until_job_is("poisoned", job_id)

    def overrun(self, dice: random.Random) -> float:
        """A call that goes on past its limit: its process is ended, and those beside it run again."""
        reason = f"a call ran longer than {OVERRUN_S:g} s (max_exec_s); its process was ended"
        # Those that ran beside it run alone the next time; the call itself, too, if it had mates.
        self._deaths.expect(BOTH, "worker", reason, count=MAX_ATTEMPTS, by_job=True)
        job_id = self._load.queue_overrun(dice.choice(SERVICES), OVERRUN_S)
        return self._recovery.until_job_is("timed_out", job_id)

    def replace_all(self, dice: random.Random) -> float:
        """A rolling restart of a host."""
        before = {one.pid for one in self._stage.near.children("workers")}
        self._stage.near.process.send_signal(signal.SIGHUP)
        took_s = self._recovery.until_answered()

        def are_replaced() -> bool:
            return not before & {one.pid for one in self._stage.near.children("workers")}

        # Faults that may not go on beside it must not meet its last worker.
        self._recovery.until(are_replaced, "all workers are new")
        return took_s

    @contextmanager
    def _long_calls(self, url: str) -> Iterator[None]:
        """Makes two calls that outlast the block: one that can be found again, one that cannot."""
        known, private = (envelope(uuid.uuid4().hex, LONG, seconds=LONG_S[1]) for _ in range(2))
        del private["header"]["request_id"]
        threads = [
            threading.Thread(target=self._load.ask_once, args=(url, body)) for body in (known, private)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        yield
        for thread in threads:
            thread.join()

    def _worker(self, host: Host, dice: random.Random) -> psutil.Process:
        self._recovery.until(lambda: host.children("workers"), "there is a worker")
        return dice.choice(host.children("workers"))

    def _serving_nearby(self) -> list[psutil.Process]:
        """Returns the near workers for which their supervisor has counted a beat."""
        serving = {name.decode() for name in self._beats()}
        return [one for one in self._stage.near.children("workers") if incarnation_of(one) in serving]

    def _beats(self) -> list[bytes]:
        found: list[bytes] = []
        # Another fault may have ended it.
        with contextlib.suppress(redis.RedisError):
            found = self._stage.redis.client.hkeys("athena:beats")  # type: ignore[assignment]
        return found

    def _freeze(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(SILENCE_S)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
