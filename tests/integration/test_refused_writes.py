"""A Redis that refuses writes and answers reads: its disk is full, or it has lost its replicas.

No heart can beat then, and nobody is dead for that.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from api.redis.link import Subscriber
from athena.fleet.view import DEAD_AFTER_S
from athena.fleet.worker_entry import WorkerEntry
from athena.settings import from_env
from athena.store.fencing import (
    Death,
    beat_command,
    fence_command,
    fenced_jobs,
)
from athena.store.keys import BEATS, WORKERS
from athena.supervisor.heartbeat import FleetKeeper
from tests.conftest import wait_until
from tests.redis_servers import PASSWORD, Server

from .conftest import Store

pytestmark = pytest.mark.redis

ENTRY = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
DEATH = Death("it fell silent", None, 3, 60)


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="athena-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with Server(folder, PASSWORD, "--save", "3600", "1") as server:
        yield server


def lose_replicas(server: Server) -> Callable[[], None]:
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    return lambda: server.ask("CONFIG", "SET", "min-replicas-to-write", "0")


def lose_disk(server: Server, folder: Path) -> Callable[[], None]:
    shutil.rmtree(folder)
    server.ask("BGSAVE")
    wait_until(lambda: server.ask("INFO", "persistence")["rdb_last_bgsave_status"] == "err", "a save fails")
    return lambda: server.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")


@pytest.fixture(params=["NOREPLICAS", "MISCONF"])
def refuse(request: pytest.FixtureRequest, server: Server, folder: Path) -> Callable[[], Callable[[], None]]:
    """Lets a server refuse writes; what it returns lets it take them again."""

    def refuse() -> Callable[[], None]:
        heal = lose_replicas(server) if request.param == "NOREPLICAS" else lose_disk(server, folder)
        with pytest.raises(redis.RedisError, match=request.param):
            server.ask("SET", "x", "1")
        return heal

    return refuse


def address(server: Server) -> str:
    return f"redis://:p%40ss%2Fword@127.0.0.1:{server.port}"


def observer(server: Server) -> FleetKeeper:
    """A supervisor on another host, without workers of its own."""
    return FleetKeeper(address(server), from_env({}))


def is_known(server: Server) -> bool:
    return bool(server.ask("HEXISTS", WORKERS, "w1"))


def register(server: Server) -> None:
    server.ask("HSET", WORKERS, "w1", ENTRY.encode().decode())
    server.ask("HSET", BEATS, "w1", "1")


def test_nobody_is_taken_for_dead_because_redis_refuses_writes(
    server: Server, refuse: Callable[[], Callable[[], None]]
) -> None:
    register(server)
    keeper = observer(server)
    keeper.on_tick(1000)
    heal = refuse()

    for second in range(1, 21):
        keeper.on_tick(1000 + second)
    heal()
    # Its own supervisor has not had its turn yet.
    keeper.on_tick(1021)
    at_once = is_known(server)
    for second in range(22, 22 + int(DEAD_AFTER_S) + 1):
        keeper.on_tick(1000 + second)

    assert at_once
    # Silence counts again.
    assert not is_known(server)


def test_supervisor_of_its_own_workers_is_not_in_contact_while_writes_are_refused(
    server: Server, refuse: Callable[[], Callable[[], None]]
) -> None:
    class Kept:
        name = node_name = "echo"
        incarnation = "w1"
        is_beating = True

        def on_beat(self, beat: Any, order: str) -> None: ...

    register(server)
    keeper = observer(server)
    keeper.add(Kept())
    keeper.on_tick(1000)
    heal = refuse()
    keeper.on_tick(1001)
    during = keeper.in_contact_since_s
    heal()
    keeper.on_tick(1002)

    assert during is None
    assert keeper.in_contact_since_s == 1002


def test_supervisor_that_was_away_begins_to_count_anew(server: Server) -> None:
    keeper = observer(server)
    for now_s in (1000, 1001, 1002):
        keeper.on_tick(now_s)
    before = keeper.in_contact_since_s

    keeper.on_tick(1012)

    assert (before, keeper.in_contact_since_s) == (1000, 1012)


@pytest.mark.parametrize(("beaten", "is_fenced"), [(0, True), (1, False)])
def test_fence_that_was_decided_before_a_beat_is_dropped(store: Store, beaten: int, is_fenced: bool) -> None:
    store.submit("j1")
    store.take()
    store.run(beat_command(["w1"]))
    fence = fence_command("w1", DEATH, silent_since_beat=1)

    for _ in range(beaten):
        store.run(beat_command(["w1"]))
    returned, ended, _ = fenced_jobs(store.run(fence))

    assert (returned, ended) == (("j1",) if is_fenced else (), ())
    assert bool(store.raw("HEXISTS", WORKERS, "w1")) is not is_fenced
    assert store.queued() == (["j1"] if is_fenced else [])


def test_worker_that_never_beat_is_fenced(store: Store) -> None:
    fenced_jobs(store.run(fence_command("w1", DEATH, silent_since_beat=0)))

    assert not store.raw("HEXISTS", WORKERS, "w1")


def test_fence_that_is_refused_keeps_no_other_and_no_heartbeat_from_being_sent(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    register(server)
    keeper = observer(server)
    server.ask("SET", "athena:inflight:odd", "no hash")

    keeper.bury("odd", DEATH)
    keeper.bury("w1", DEATH)
    keeper.on_tick(1000)
    server.ask("DEL", "athena:inflight:odd")
    keeper.on_tick(1001)

    assert not is_known(server)
    assert keeper.in_contact_since_s == 1000
    assert not keeper._fences
    assert "WRONGTYPE" in caplog.text


def test_gateway_goes_on_to_hear_of_jobs_though_its_pings_are_refused(
    server: Server, refuse: Callable[[], Callable[[], None]]
) -> None:
    heard: list[bytes] = []
    connected: list[int] = []

    async def listen() -> None:
        subscriber = Subscriber(address(server), 0.2, "news", heard.append, lambda: connected.append(1))
        subscriber.start()
        try:
            await asyncio.to_thread(wait_until, lambda: connected, "the subscriber listens")
            refuse()
            # Silence, which it breaks by pings.
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.ask, "PUBLISH", "news", "a job has ended")
            await asyncio.to_thread(wait_until, lambda: heard, "the news are heard")
        finally:
            await subscriber.close()

    asyncio.run(listen())

    assert (heard, connected) == ([b"a job has ended"], [1])
