"""The faults, each with the time until what it broke is whole again."""

import contextlib
import random
import signal
import time
from collections.abc import Callable

import psutil
import redis

from tests.chaos.load import Load
from tests.chaos.stage import Host, Stage, incarnation_of, wait_for
from tests.proxy import Mode

#: Longer than an observer waits until it takes a silent worker for dead.
SILENCE_S = 7.0

RECOVERY_LIMIT_S = 60.0

Fault = Callable[[], float]


class Faults:
    """Each method breaks something, waits until it works again, and returns how long that took."""

    def __init__(self, stage: Stage, load: Load) -> None:
        self._stage = stage
        self._load = load

    def all(self) -> dict[str, Fault]:
        """Returns the faults by their names."""
        return {
            "worker killed": self.kill_worker,
            "host killed": self.kill_host,
            "gateway killed": self.kill_gateway,
            "redis killed": self.kill_redis,
            "worker stopped (SIGTERM)": self.stop_worker,
            "gateway stopped (SIGTERM)": self.stop_gateway,
            "worker frozen, then back": self.freeze_worker,
            "host frozen, then back": self.freeze_host,
            "network black hole": self.black_hole,
            "replies lost": self.lose_replies,
            "poison": self.poison,
            "all replaced (SIGHUP)": self.replace_all,
        }

    def kill_worker(self) -> float:
        """kill -9 of a worker; its jobs are passed on by its supervisor."""
        host = random.choice((self._stage.near, self._stage.far))
        worker = self._worker(host)
        incarnation = incarnation_of(worker)
        worker.kill()
        return self._until(lambda: self._is_passed_on(incarnation), "its jobs are passed on")

    def kill_host(self) -> float:
        """kill -9 of a supervisor and all below it; its jobs are passed on by others."""
        incarnations = self._stage.far.kill()
        took_s = self._until(lambda: all(map(self._is_passed_on, incarnations)), "its jobs are passed on")
        self._stage.far.start()
        wait_for(lambda: self._stage.far.children("workers"), RECOVERY_LIMIT_S, "the host is back")
        return took_s

    def kill_gateway(self) -> float:
        """kill -9 of a gateway that a supervisor restarts."""
        for process in self._stage.near.children("api"):
            process.kill()
        return self._until(lambda: self._load.call(self._stage.urls[0], 5), "the gateway answers")

    def kill_redis(self) -> float:
        """kill -9 of Redis; the time counts from when it is back."""
        self._stage.redis.kill()
        time.sleep(random.uniform(0, 1))
        self._stage.redis.start()
        return self._until(lambda: self._load.call(self._stage.urls[0], 5), "jobs run again")

    def stop_worker(self) -> float:
        """SIGTERM of a worker, which finishes what it runs."""
        host = random.choice((self._stage.near, self._stage.far))
        worker = self._worker(host)
        incarnation = incarnation_of(worker)
        worker.terminate()
        return self._until(lambda: self._is_passed_on(incarnation), "its jobs are passed on")

    def stop_gateway(self) -> float:
        """SIGTERM of the gateway alone, and another after it."""
        self._stage.gateway.stop()
        self._stage.gateway.start()
        return self._until(lambda: self._load.call(self._stage.urls[1], 5), "the gateway answers")

    def freeze_worker(self) -> float:
        """SIGSTOP of a worker whose supervisor lives, for a while: it is not taken for dead."""
        worker = self._worker(self._stage.near)
        self._freeze([worker])
        return self._until(lambda: self._load.call(self._stage.urls[0], 5), "jobs run again")

    def freeze_host(self) -> float:
        """SIGSTOP of a whole host, until others have passed its jobs on; it comes back as a zombie."""
        self._freeze(self._stage.far.everything())
        return self._until(lambda: self._load.call(self._stage.urls[0], 5), "jobs run again")

    def black_hole(self) -> float:
        """A host's packets vanish for a while."""
        with self._stage.proxy.broken(Mode.BLACK_HOLE):
            time.sleep(SILENCE_S)
        return self._until(lambda: self._load.call(self._stage.urls[0], 5), "jobs run again")

    def lose_replies(self) -> float:
        """What a host asks of Redis is carried out, and it never hears of it."""
        with self._stage.proxy.broken(Mode.DROP_REPLIES):
            time.sleep(random.uniform(0.2, 3))
        return self._until(lambda: self._load.call(self._stage.urls[0], 5), "jobs run again")

    def poison(self) -> float:
        """An input that kills each worker that runs it."""
        request_id = self._load.poison()
        job_id = self._load.accepted[request_id].job_id

        def is_dead() -> bool:
            return self._stage.redis.client.hget(f"athena:job:{job_id}", "state") == b"poisoned"

        return self._until(is_dead, "the poison is a dead letter")

    def replace_all(self) -> float:
        """A rolling restart of a host."""
        self._stage.near.process.send_signal(signal.SIGHUP)
        return self._until(lambda: self._load.call(self._stage.urls[0], 5), "jobs run again")

    def _worker(self, host: Host) -> psutil.Process:
        wait_for(lambda: host.children("workers"), RECOVERY_LIMIT_S, "there is a worker")
        return random.choice(host.children("workers"))

    def _freeze(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(SILENCE_S)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def _is_passed_on(self, incarnation: str) -> bool:
        client = self._stage.redis.client
        try:
            known = client.hexists("athena:workers", incarnation)
            return not known and not client.exists(f"athena:inflight:{incarnation}")
        except redis.RedisError:
            return False

    def _until(self, holds: Callable[[], bool], what: str) -> float:
        return wait_for(holds, RECOVERY_LIMIT_S, what)
