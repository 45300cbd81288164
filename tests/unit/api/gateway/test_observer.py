"""What a gateway sees: abilities, workers and hosts, each as far as it can be read."""

import asyncio
import time
from typing import Any, cast

import pytest

from api.gateway.observer import GatewayObserver
from api.redis.link import RedisLink
from athena.devices.inventory import Inventory
from athena.errors import StoreError
from athena.fleet.host_report import HostReport, WorkerStatus
from athena.fleet.view import REROUTE_AFTER_S, WRITE_PROBE, Failure
from athena.fleet.worker_entry import WorkerEntry
from athena.protocol.interface import Interface, Limits
from athena.settings import from_env
from athena.store.keys import ABILITIES, BEATS, FAILURES, HOSTS, WORKERS
from athena.store.scripts import FENCE, FOLD, Command

ECHO = Interface("echo", "v1", "", (), (), (), ("T4G16",), True, Limits())
ODD_PARAM = ECHO.encode().replace(b'"params":[]', b'"params":[1]')


class Link:
    """A link to a Redis that holds a few hashes."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.scripts = 0
        self.takes_writes = True

    async def execute(self, command: Command) -> Any:
        if command[0] == "HGETALL":
            return [item for pair in self.hashes.get(str(command[1]), {}).items() for item in pair]
        if command == WRITE_PROBE and not self.takes_writes:
            raise StoreError("Redis refused the command: NOREPLICAS")
        if command[:2] == ("EVALSHA", FOLD.sha):
            return [0] * len(command[3:])
        self.scripts += command[0] == "EVALSHA"
        if command[:2] == ("EVALSHA", FENCE.sha):
            return [[], [], []]
        return b"" if command[0] == "INFO" else None


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def observer(link: Link) -> GatewayObserver:
    return GatewayObserver(from_env({}), cast(RedisLink, link))


@pytest.mark.parametrize("key", [ABILITIES, WORKERS, BEATS, FAILURES, HOSTS])
@pytest.mark.parametrize("nonsense", [b"{}", b"no JSON", b"\xff", ODD_PARAM])
def test_entry_that_cannot_be_read_hides_no_other(
    observer: GatewayObserver, link: Link, key: str, nonsense: bytes
) -> None:
    link.hashes[ABILITIES] = {b"echo": ECHO.encode()}
    link.hashes[key] = {b"x": nonsense, **link.hashes.get(key, {})}

    asyncio.run(observer.look())

    assert list(observer.schemas) == ["echo"]
    assert observer.has_looked
    # The janitor's work is done too.
    assert link.scripts == 1


def test_gateway_does_nothing_about_silence_while_redis_takes_no_writes(
    observer: GatewayObserver, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
    link.hashes = {WORKERS: {b"w1": entry.encode()}, BEATS: {b"w1": b"1"}}

    def scripts_after(seconds: range, takes_writes: bool) -> int:
        link.scripts, link.takes_writes = 0, takes_writes
        for second in seconds:
            monkeypatch.setattr("api.gateway.observer.time.monotonic", lambda: float(second))  # noqa: B023
            asyncio.run(observer.look())
        return link.scripts

    assert scripts_after(range(10), False) == 0
    assert scripts_after(range(10, 14), True) == 0
    assert scripts_after(range(14, 16), True) == 1


def test_worker_that_loads_keeps_the_jobs_of_its_type(observer: GatewayObserver, link: Link) -> None:
    told_ms = int(time.time() * 1000)
    worker = WorkerStatus("echo@host", "echo", "A100G80", "GPU-1", "loading")
    report = HostReport("host", told_ms, told_ms, Inventory(), (), (worker,))
    link.hashes[HOSTS] = {b"host:1": report.encode()}

    asyncio.run(observer.look())

    later_s = time.monotonic() + REROUTE_AFTER_S
    assert observer.fleet.rerouting(later_s, ECHO).live == {"any", "A100G80", "GPU-1"}


def report(*states: tuple[str, str]) -> bytes:
    """Returns what a supervisor tells of workers on the CPU: (service_id, state)."""
    told_ms = int(time.time() * 1000)
    workers = tuple(WorkerStatus(f"{name}@host", name, "cpu", "", state) for name, state in states)
    return HostReport("host", told_ms, told_ms, Inventory(), (), workers).encode()


def test_gateway_has_settled_once_what_was_being_started_serves_or_fails(
    observer: GatewayObserver, link: Link
) -> None:
    def look() -> tuple[list[str], bool]:
        asyncio.run(observer.look())
        return observer.loading, observer.has_settled

    link.hashes[HOSTS] = {b"host:1": report(("echo", "loading"), ("ocr", "loading"))}
    assert look() == (["echo", "ocr"], False)

    entry = WorkerEntry("i1", "echo@host", "echo", "v1", "cpu", 4)
    link.hashes[WORKERS] = {b"i1": entry.encode()}
    assert look() == (["ocr"], False)

    link.hashes[FAILURES] = {b"ocr": Failure("no model", time.time()).encode()}
    assert look() == ([], True)

    # What is started from then on is told of, and takes the gateway away from nobody.
    link.hashes[FAILURES] = {}
    assert look() == (["ocr"], True)


def test_gateway_without_workers_has_settled(observer: GatewayObserver) -> None:
    asyncio.run(observer.look())

    assert observer.has_settled
