"""What a gateway watches: abilities, workers and hosts, each as far as it can be read."""

import asyncio
import time
from typing import Any, cast

import pytest

from api.redis_link import RedisLink
from api.watch import Watch
from athena.ability import Limits
from athena.fleet import REROUTE_AFTER_S
from athena.host_report import HostReport, WorkerStatus
from athena.interface import Interface
from athena.inventory import Inventory
from athena.keys import ABILITIES, BEATS, FAILURES, HOSTS, WORKERS
from athena.script import Command
from athena.settings import from_env

ECHO = Interface("echo", "v1", "", (), (), (), ("T4G16",), True, Limits())
ODD_PARAM = ECHO.encode().replace(b'"params":[]', b'"params":[1]')


class Link:
    """A link to a Redis that holds a few hashes."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.scripts = 0

    async def execute(self, command: Command) -> Any:
        if command[0] == "HGETALL":
            return [item for pair in self.hashes.get(str(command[1]), {}).items() for item in pair]
        self.scripts += command[0] == "EVALSHA"
        return b"" if command[0] == "INFO" else None


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def watch(link: Link) -> Watch:
    return Watch(from_env({}), cast(RedisLink, link))


@pytest.mark.parametrize("key", [ABILITIES, WORKERS, BEATS, FAILURES, HOSTS])
@pytest.mark.parametrize("nonsense", [b"{}", b"no JSON", b"\xff", ODD_PARAM])
def test_entry_that_cannot_be_read_hides_no_other(
    watch: Watch, link: Link, key: str, nonsense: bytes
) -> None:
    link.hashes[ABILITIES] = {b"echo": ECHO.encode()}
    link.hashes[key] = {b"x": nonsense, **link.hashes.get(key, {})}

    asyncio.run(watch._observe())

    assert list(watch.schemas) == ["echo"]
    assert watch.has_looked
    # The janitor's work is done too.
    assert link.scripts == 1


def test_worker_that_loads_keeps_the_jobs_of_its_type(watch: Watch, link: Link) -> None:
    told_ms = int(time.time() * 1000)
    worker = WorkerStatus("echo@host", "echo", "A100G80", "GPU-1", "loading")
    report = HostReport("host", told_ms, told_ms, Inventory(), (), (worker,))
    link.hashes[HOSTS] = {b"host:1": report.encode()}

    asyncio.run(watch._observe())

    later_s = time.monotonic() + REROUTE_AFTER_S
    assert watch.fleet.rerouting(later_s, ECHO).live == {"any", "A100G80", "GPU-1"}
