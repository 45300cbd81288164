"""What a gateway and a supervisor see, read by either link."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError

from athena.devices.inventory import Inventory
from athena.errors import StoreError
from athena.fleet.host_report import HostReport
from athena.fleet.view import DEAD_AFTER_S, WRITE_PROBE, Failure
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.observe import Observer, Pace, Sighting
from athena.operations.steps import Attempt, Steps, run_steps, run_steps_async
from athena.protocol.interface import Interface, Limits
from athena.settings import from_env
from athena.store.keys import ABILITIES, BEATS, FAILURES, FORGOTTEN, HOSTS, WORKERS
from athena.store.scripts import FENCE, SWEEP, Command
from athena.telemetry.log_fields import FIELDS

ECHO = Interface("echo", "v1", "", (), (), (), ("T4G16", "cpu"), True, Limits())
INFO = b"# Server\r\nredis_version:8.0.0\r\nused_memory:9\r\nmaxmemory:10\r\n"
EVERYTHING = Pace(abilities_s=0, hosts_s=0, server_s=0)
SUPERVISOR = Pace(abilities_s=10, hosts_s=3)


class Redis:
    """One that holds a few hashes, and notes what it is asked."""

    def __init__(self) -> None:
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.refuses: Callable[[Command], bool] = lambda command: False
        self.error: type[Exception] = ResponseError
        self.asked: list[Command] = []
        self.fenced: list[list[bytes]] = [[], [], []]

    def execute(self, command: Command) -> Any:
        self.asked.append(command)
        if self.refuses(command):
            raise self.error("MISCONF")
        if command[0] == "HGETALL":
            return [item for pair in self.hashes.get(str(command[1]), {}).items() for item in pair]
        if command[0] == "EVALSHA":
            return self.fenced if command[1] == FENCE.sha else 0
        return INFO if command[0] == "INFO" else None

    async def execute_async(self, command: Command) -> Any:
        return self.execute(command)

    @property
    def scripts(self) -> list[str]:
        names = {FENCE.sha: "fence", SWEEP.sha: "sweep"}
        return [names[str(command[1])] for command in self.asked if command[0] == "EVALSHA"]


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def observer() -> Observer:
    return Observer(from_env({}), 0)


Drive = Callable[[Steps[Sighting]], Sighting]


@pytest.fixture(params=["supervisor", "gateway"])
def drive(request: pytest.FixtureRequest, redis: Redis) -> Drive:
    """Returns what runs a look: over the link of a supervisor, or of a gateway."""
    if request.param == "supervisor":
        return lambda steps: run_steps(steps, redis.execute)
    redis.error = StoreError
    return lambda steps: asyncio.run(run_steps_async(steps, redis.execute_async))


def told(redis: Redis) -> set[str]:
    """Returns what was read: the names of hashes, and parts of INFO."""
    reads = {" ".join(map(str, command)) for command in redis.asked if command[0] in ("HGETALL", "INFO")}
    redis.asked.clear()
    return {read.removeprefix("HGETALL ") for read in reads}


def test_what_is_due_is_read(redis: Redis, observer: Observer, drive: Drive) -> None:
    always, abilities = {WORKERS, BEATS}, {ABILITIES, FORGOTTEN, FAILURES}

    def read_at(now_s: float, pace: Pace) -> set[str]:
        drive(observer.look(now_s, 0, pace))
        return told(redis)

    assert read_at(100, SUPERVISOR) == always | abilities | {HOSTS}
    assert read_at(101, SUPERVISOR) == always
    assert read_at(103, SUPERVISOR) == always | {HOSTS}
    assert read_at(110, SUPERVISOR) == always | abilities | {HOSTS}
    gateway = Pace(abilities_s=0, hosts_s=3, server_s=10)
    assert read_at(111, gateway) == always | abilities | {"INFO"}
    assert read_at(112, gateway) == always | abilities | {"INFO memory"}
    assert read_at(121, gateway) == always | abilities | {HOSTS, "INFO"}


def test_what_was_not_answered_is_due_at_the_next_look(
    redis: Redis, observer: Observer, drive: Drive
) -> None:
    redis.refuses = lambda command: command == ("HGETALL", ABILITIES)
    with pytest.raises(redis.error):
        drive(observer.look(100, 0, SUPERVISOR))
    redis.refuses = lambda command: False
    told(redis)

    drive(observer.look(101, 0, SUPERVISOR))

    assert told(redis) >= {ABILITIES, HOSTS}


def test_all_that_is_read_comes_in_one_round_trip(redis: Redis, observer: Observer) -> None:
    redis.hashes[ABILITIES] = {b"echo": ECHO.encode()}
    steps = observer.look(100, 0, EVERYTHING)
    step = next(steps)
    assert isinstance(step, list)
    answers = [redis.execute(item.command if isinstance(item, Attempt) else item) for item in step]

    janitor = steps.send(answers)

    assert isinstance(janitor, list)
    with pytest.raises(StopIteration):
        steps.send([None] * len(janitor))


def test_look_tells_what_it_has_found(redis: Redis, observer: Observer, drive: Drive) -> None:
    report = HostReport("host", 0, 0, Inventory(), (), ())
    redis.hashes[HOSTS] = {b"host:1": report.encode()}
    redis.hashes[FAILURES] = {b"ocr": Failure("no model", time.time()).encode()}

    seen = drive(observer.look(100, time.time(), EVERYTHING))

    assert seen.reports == {b"host:1": report.encode()}
    assert seen.server is not None and seen.server["redis_version"] == "8.0.0"
    assert seen.memory is not None and seen.memory["maxmemory"] == "10"
    assert observer.fleet.failures == {"ocr": "no model"}


@pytest.mark.parametrize("nonsense", [b"{}", b"no JSON", ECHO.encode().replace(b'"T4G16"', b"16")])
def test_ability_that_cannot_be_read_hides_no_other(
    redis: Redis, observer: Observer, drive: Drive, nonsense: bytes
) -> None:
    redis.hashes[ABILITIES] = {b"x": nonsense, b"echo": ECHO.encode(), b"y": nonsense}

    drive(observer.look(100, 0, EVERYTHING))

    assert observer.fleet.interfaces == {"echo": ECHO}


def test_forgotten_ability_is_served_no_more_but_its_jobs_are_looked_after(
    redis: Redis, observer: Observer, drive: Drive
) -> None:
    redis.hashes[ABILITIES] = {b"echo": ECHO.encode()}
    drive(observer.look(100, 0, EVERYTHING))
    redis.hashes = {FORGOTTEN: {b"echo": b"1", b"another": b"2"}}
    redis.asked.clear()

    seen = drive(observer.look(101, 0, EVERYTHING))

    assert seen.forgotten == ("echo",)
    assert observer.fleet.interfaces == {}
    assert redis.scripts == ["sweep"]
    redis.hashes = {ABILITIES: {b"echo": ECHO.encode()}, FORGOTTEN: {b"echo": b"1"}}
    assert drive(observer.look(102, 0, EVERYTHING)).forgotten == ()
    assert observer.fleet.interfaces == {"echo": ECHO}
    assert observer.fleet.swept == [ECHO]


def test_ability_that_is_only_missing_is_kept(redis: Redis, observer: Observer, drive: Drive) -> None:
    """Redis has lost what it held, and the workers have not told yet."""
    redis.hashes[ABILITIES] = {b"echo": ECHO.encode()}
    drive(observer.look(100, 0, EVERYTHING))
    redis.hashes = {}

    assert drive(observer.look(101, 0, EVERYTHING)).forgotten == ()
    assert observer.fleet.interfaces == {"echo": ECHO}


def test_ability_is_read_again_only_when_it_has_changed(redis: Redis, drive: Drive) -> None:
    read: list[bytes] = []

    def read_ability(raw: bytes) -> Interface:
        read.append(raw)
        return Interface.decode(raw)

    observer = Observer(from_env({}), 0, read_ability)
    changed = ECHO.encode().replace(b'"v1"', b'"v2"')
    for second, raw in enumerate((ECHO.encode(), ECHO.encode(), changed, changed)):
        redis.hashes[ABILITIES] = {b"echo": raw}
        drive(observer.look(100 + second, 0, EVERYTHING))

    assert read == [ECHO.encode(), changed]
    assert observer.fleet.interfaces["echo"].version == "v2"


def test_nothing_is_done_about_silence_while_redis_takes_no_writes(
    redis: Redis, observer: Observer, drive: Drive
) -> None:
    entry = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
    redis.hashes = {WORKERS: {b"w1": entry.encode()}, BEATS: {b"w1": b"1"}}

    def scripts_after(seconds: range, refuses: bool) -> list[str]:
        redis.asked.clear()
        redis.refuses = lambda command: refuses and command == WRITE_PROBE
        for second in seconds:
            drive(observer.look(second, 0, EVERYTHING))
        return redis.scripts

    assert scripts_after(range(10), refuses=True) == []
    assert scripts_after(range(10, 10 + int(DEAD_AFTER_S) - 1), refuses=False) == []
    assert scripts_after(range(14, 16), refuses=False) == ["fence"]


def test_jobs_of_a_host_that_died_are_named_where_that_is_found(
    redis: Redis, observer: Observer, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    entry = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
    redis.hashes = {WORKERS: {b"w1": entry.encode()}, BEATS: {b"w1": b"1"}}
    redis.fenced = [[b"j1", b"j2"], [b"j3"], []]

    for second in range(int(DEAD_AFTER_S) + 2):
        drive(observer.look(second, 0, EVERYTHING))

    died = "echo.cpu.0@host died (echo.cpu.0@host and its supervisor fell silent); jobs that"
    assert f"{died} run again: j1, j2" in caplog.text
    assert f"{died} ended: j3" in caplog.text
    assert caplog.records[0].__dict__[FIELDS]["job_ids"] == ("j1", "j2")


def test_janitor_that_is_refused_one_command_sends_the_others(
    redis: Redis, observer: Observer, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    ocr = Interface("ocr", "v1", "", (), (), (), ("cpu",), True, Limits())
    redis.hashes[ABILITIES] = {b"echo": ECHO.encode(), b"ocr": ocr.encode()}
    redis.refuses = lambda command: command[0] == "EVALSHA" and "echo" in command

    drive(observer.look(100, 0, EVERYTHING))

    assert redis.scripts == ["sweep", "sweep"]
    assert "the janitor was refused: MISCONF" in caplog.text
