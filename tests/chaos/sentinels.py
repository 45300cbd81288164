"""A master with its replica, and three sentinels that make the other one master when it is gone."""

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from redis.sentinel import Sentinel

from athena.supervisor.redis_server import find_server
from tests.chaos.redis_server import EVERYSEC
from tests.chaos.waiting import START_TIMEOUT_S, wait_for
from tests.ports import free_port
from tests.proxy import Mode, Proxy

_MASTER = "main"
_QUORUM = 2
_SENTINELS = 3


class Node:
    """One of the two servers, as a machine of its own: all others reach it through a proxy."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        self._port = free_port()
        self.proxy = Proxy(self._port)
        self.proxy.start()
        self._command = [str(find_server().path), "--port", str(self._port), "--dir", str(folder)]
        self._command += ["--logfile", str(folder / "redis.log"), "--save", "", "--bind", "127.0.0.1"]
        self._command += ["--appendonly", "yes", "--appendfsync", EVERYSEC, *options]
        self._command += ["--replica-announce-ip", "127.0.0.1", "--replica-announce-port"]
        self._command += [str(self.proxy.port)]
        self._client = redis.Redis(port=self._port, protocol=2, socket_timeout=2)
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self.process = subprocess.Popen(self._command)
        wait_for(lambda: self.role, START_TIMEOUT_S, "a node answers")

    def follow(self, master: "Node") -> None:
        """Makes it the replica of another one."""
        self._client.execute_command("REPLICAOF", "127.0.0.1", master.proxy.port)  # type: ignore[no-untyped-call]

    def kill(self) -> None:
        """Ends it without a word."""
        self.process.kill()
        self.process.wait()

    @property
    def role(self) -> str:
        """What it takes itself for; "" if it does not answer."""
        with suppress(redis.RedisError, OSError):
            return str(self._client.execute_command("ROLE")[0].decode())  # type: ignore[no-untyped-call]
        return ""

    @property
    def has_replica(self) -> bool:
        """Whether the other one follows it."""
        with suppress(redis.RedisError, OSError):
            replica: Any = self._client.info("replication").get("slave0", {})
            return bool(replica.get("state") == "online")
        return False


class SentinelRedis:
    """The same to a stage as one server.

    Attributes:
        url: the address for Athena.
        client: asks whoever is master.
        is_broken: whether a fault goes on.
    """

    disk = clock = None

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._nodes = (Node(folder / "a", *options), Node(folder / "b", *options))
        self._ports = [free_port() for _ in range(_SENTINELS)]
        self._sentinels: list[subprocess.Popen[bytes]] = []
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        self.url = f"sentinel://{hosts}/{_MASTER}/0"
        self.port = 0
        addresses = [("127.0.0.1", port) for port in self._ports]
        sentinel: Any = Sentinel  # redis-py says nothing of its types.
        self._watch = sentinel(addresses, socket_timeout=2, protocol=2)
        self.client: redis.Redis = self._watch.master_for(_MASTER, socket_timeout=5, protocol=2)
        self.is_broken = False

    def start(self) -> None:
        """Starts all and waits until they know each other."""
        first, second = self._nodes
        first.start()
        second.start()
        second.follow(first)
        for port in self._ports:
            self._sentinels.append(self._start_sentinel(port))
        self.wait_until_whole()

    def kill(self) -> None:
        """Ends all."""
        for process in self._sentinels:
            process.kill()
            process.wait()
        for node in self._nodes:
            node.kill()
            node.proxy.stop()

    @property
    def master(self) -> Node | None:
        """The node that the sentinels name and that takes itself for the master; None while there is none."""
        with suppress(redis.RedisError, OSError):
            _, port = self._watch.discover_master(_MASTER)
            named = next(node for node in self._nodes if node.proxy.port == port)
            return named if named.role == "master" else None
        return None

    def cut_off_master(self, is_killed: bool) -> Node:
        """Takes the master's network away, in the middle of what it sends, and its power where wanted."""
        self.is_broken = True
        master = self.master
        assert master is not None
        master.proxy.break_down(Mode.BLACK_HOLE)
        if is_killed:
            master.kill()
        return master

    def wait_for_other_master(self, old: Node) -> None:
        """Waits for the sentinels' choice."""
        wait_for(lambda: self.master not in (None, old), START_TIMEOUT_S, "there is another master")

    def bring_back(self, node: Node) -> None:
        """Gives a node back what was taken from it; it follows the new master then."""
        node.proxy.heal()
        if node.process.poll() is not None:
            node.start()
        self.is_broken = False

    def wait_until_whole(self) -> None:
        """Waits until the master has its replica, and all sentinels know both."""

        def is_whole() -> bool:
            master = self.master
            return master is not None and master.has_replica and all(map(_is_quorate, self._ports))

        wait_for(is_whole, START_TIMEOUT_S, "master, replica and sentinels know each other")

    def _start_sentinel(self, port: int) -> "subprocess.Popen[bytes]":
        path = self._folder / f"sentinel{port}.conf"
        path.write_text(
            f"sentinel monitor {_MASTER} 127.0.0.1 {self._nodes[0].proxy.port} {_QUORUM}\n"
            f"sentinel down-after-milliseconds {_MASTER} 1000\n"
            f"sentinel failover-timeout {_MASTER} 5000\n"
        )
        command = [
            str(find_server().path),
            str(path),
            "--sentinel",
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
        ]
        command += ["--dir", str(self._folder), "--logfile", str(self._folder / f"sentinel{port}.log")]
        return subprocess.Popen(command)


def _is_quorate(port: int) -> bool:
    with redis.Redis(port=port, protocol=2, socket_timeout=2) as client, suppress(redis.RedisError, OSError):
        state: Any = client.sentinel_master(_MASTER)
        return int(state["num-slaves"]) == 1 and int(state["num-other-sentinels"]) == _SENTINELS - 1
    return False
