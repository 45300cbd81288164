"""`athena doctor --audit` on a real Redis: each kind of difference is planted, found and set right."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from athena.cli import main
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.audit import SECOND_LOOK_S, Findings, look, look_again, wait_s
from athena.operations.checkup.fleet import HEARTBEATS_S
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from athena.store.books.audit import MOST_COUNTED, MOST_QUEUED, Difference
from athena.store.fencing import sweep_command
from athena.store.keys import (
    ABILITIES,
    DEAD,
    WORKERS,
    app_ended_key,
    app_open_key,
    canceled_key,
    ended_key,
    inflight_key,
    job_key,
    line_key,
    load_key,
    open_key,
    queues_key,
)
from athena.store.submission import cancel_command
from tests.conftest import wait_until

from .conftest import ANY_QUEUE, CPU_QUEUE, Store, failed, submission, succeeded
from .test_recovery import interface

pytestmark = pytest.mark.redis

DEAD_TTL_S = 60.0


def audit(store: Store) -> Findings:
    return run_steps(look(), store.run)


def again(store: Store, found: list[Difference], repair: bool = False) -> list[Difference]:
    return run_steps(look_again(found, repair, DEAD_TTL_S), store.run)


@pytest.fixture
def busy(store: Store) -> Store:
    """The store with jobs in all places: queued, held, running, ended well and badly, poisoned, private."""
    store.raw("HSET", ABILITIES, "echo", interface().encode())
    for job_id in ("done", "broken", "held", "running"):
        store.submit(job_id)
    for job_id in ("private", "private-broken"):
        store.submit(job_id, abandonable=True, gateway="g1")
    taken = {job.job_id: job for job in store.take(10)}
    store.finish("done", taken["done"].token)
    store.finish("broken", taken["broken"].token, failed())
    store.finish("private", taken["private"].token)
    store.finish("private-broken", taken["private-broken"].token, failed())
    store.start(taken["running"])
    store.submit("doomed", queue=CPU_QUEUE)
    store.register("w2")
    store.take(1, "w2")
    store.fence("doomed", incarnation="w2", max_attempts=1)
    store.submit("queued")
    store.submit("private-queued", abandonable=True, gateway="g1")
    store.submit("elsewhere", queue=CPU_QUEUE)
    assert store.state("doomed") is JobState.POISONED
    return store


def test_books_of_a_sound_system_are_as_the_records_say(busy: Store) -> None:
    findings = audit(busy)

    assert (findings.differences, findings.uncounted) == ([], [])
    assert findings.looked_at == 10


Plant = Callable[[Store], object]

#: What is planted; then job, what, whose, what is found, what is right.
PLANTED: list[tuple[Plant, tuple[str, ...]]] = [
    (
        lambda store: store.raw("ZREM", open_key("echo"), "queued"),
        ("queued", "open", "echo", "not listed", "listed"),
    ),
    (
        lambda store: store.raw("ZADD", open_key("echo"), 5, "done"),
        ("done", "open", "echo", "listed", "not listed"),
    ),
    (
        lambda store: store.raw("ZADD", open_key("echo"), 5, "nobody"),
        ("nobody", "open", "echo", "listed", "not listed"),
    ),
    (
        lambda store: store.raw("ZADD", open_key("ocr"), 5, "queued"),
        ("queued", "open", "ocr", "listed", "not listed"),
    ),
    (
        lambda store: store.raw("ZREM", app_open_key("demo"), "held"),
        ("held", "app_open", "demo", "not listed", "listed"),
    ),
    (
        lambda store: store.raw("ZADD", app_open_key("demo"), 5, "broken"),
        ("broken", "app_open", "demo", "listed", "not listed"),
    ),
    (
        lambda store: store.raw("ZADD", app_open_key("demo"), 5, "private-queued"),
        ("private-queued", "app_open", "demo", "listed", "not listed"),
    ),
    (
        lambda store: store.raw("ZREM", ended_key("echo"), "private-broken"),
        ("private-broken", "ended", "echo", "not listed", "listed"),
    ),
    (
        lambda store: store.raw("ZADD", ended_key("echo"), 5, "running"),
        ("running", "ended", "echo", "listed", "not listed"),
    ),
    (
        lambda store: store.raw("ZREM", app_ended_key("demo"), "done"),
        ("done", "app_ended", "demo", "not listed", "listed"),
    ),
    (
        lambda store: store.raw("ZADD", app_ended_key("other"), 5, "done"),
        ("done", "app_ended", "other", "listed", "not listed"),
    ),
    (lambda store: store.raw("ZADD", DEAD, 5, "nobody"), ("nobody", "dead", "", "listed", "not listed")),
    (lambda store: store.raw("ZADD", DEAD, 5, "done"), ("done", "dead", "", "listed", "not listed")),
    (
        lambda store: store.raw("HINCRBY", load_key("echo"), "bytes", 7),
        ("", "bytes", "echo", "5007", "5000"),
    ),
    (lambda store: store.raw("HDEL", load_key("echo"), "bytes"), ("", "bytes", "echo", "0", "5000")),
    (
        lambda store: store.raw("HSET", load_key("echo"), "kept_bytes", 1),
        ("", "kept_bytes", "echo", "1", "2000"),
    ),
    (
        lambda store: store.raw("HINCRBY", load_key(DEAD), "kept_bytes", -1000),
        ("", "kept_bytes", DEAD, "0", "1000"),
    ),
    (
        lambda store: store.raw("SREM", queues_key("echo"), CPU_QUEUE),
        ("elsewhere", "queues", CPU_QUEUE, "not known", "known"),
    ),
    (
        lambda store: store.raw("HSET", line_key(CPU_QUEUE), "in", 1),
        ("elsewhere", "line", CPU_QUEUE, "1", "2"),
    ),
    (
        lambda store: store.raw("HSET", line_key(CPU_QUEUE), "out", 9),
        ("elsewhere", "line", CPU_QUEUE, "2", "9"),
    ),
    (
        lambda store: store.raw("HSET", inflight_key("w1"), "queued", "a message"),
        ("queued", "held", "w1", "held", "held by nobody"),
    ),
    (
        lambda store: store.raw("SADD", canceled_key("w9"), "done"),
        ("", "worker", "w9", "holds 0 jobs, not registered", "registered"),
    ),
    (
        lambda store: store.raw("RPOP", CPU_QUEUE),
        ("elsewhere", "lost", CPU_QUEUE, "queued", "nowhere"),
    ),
    (
        lambda store: store.raw("HDEL", inflight_key("w1"), "held"),
        ("held", "lost", ANY_QUEUE, "held by w1", "nowhere"),
    ),
    (
        lambda store: store.raw("HSET", job_key("queued"), "token", "1.1:w1"),
        ("queued", "lost", ANY_QUEUE, "held by w1", "queued"),
    ),
]


@pytest.mark.parametrize(("plant", "difference"), PLANTED, ids=["-".join(item[:3]) for _, item in PLANTED])
def test_difference_is_found_and_set_right(busy: Store, plant: Plant, difference: tuple[str, ...]) -> None:
    plant(busy)

    found = audit(busy).differences

    assert found == [difference]
    assert again(busy, found) == found, "a look changes nothing"
    assert again(busy, found, repair=True) == found
    assert audit(busy).differences == []
    assert again(busy, found, repair=True) == []


def test_jobs_of_a_worker_that_is_not_registered_go_back(busy: Store) -> None:
    busy.raw("HDEL", WORKERS, "w1")

    found = audit(busy).differences

    assert found == [("", "worker", "w1", "holds 2 jobs, not registered", "registered")]
    assert wait_s(found, 30) == 30 + SECOND_LOOK_S
    assert again(busy, found, repair=True) == found
    assert set(busy.queued()) >= {"held", "running", "queued"}
    assert busy.record("running").deaths == 1
    assert audit(busy).differences == []


def test_lost_job_ends_and_one_that_lies_in_its_queue_goes_on(busy: Store) -> None:
    busy.raw("RPOP", CPU_QUEUE)
    busy.raw("HSET", job_key("queued"), "token", "1.1:w9")
    busy.raw("DEL", "athena:bell:" + ANY_QUEUE)
    found = audit(busy).differences

    again(busy, found, repair=True)

    record = busy.record("elsewhere")
    assert (record.state, record.code) == (JobState.FAILED, 11502)
    assert record.message == "its queue message was lost; send it again"
    assert [job.job_id for job in busy.take(1)] == ["queued"]
    assert audit(busy).differences == []


def test_bytes_are_counted_anew_when_the_list_they_are_counted_over_was_wrong(busy: Store) -> None:
    busy.raw("ZREM", open_key("echo"), "queued")
    busy.raw("HINCRBY", load_key("echo"), "bytes", -1000)
    found = audit(busy).differences
    assert [item.what for item in found] == ["open"]

    again(busy, found, repair=True)

    assert audit(busy).differences == []
    assert busy.raw("HGET", load_key("echo"), "bytes") == b"5000"


def test_difference_that_is_gone_at_the_second_look_is_none(busy: Store) -> None:
    busy.raw("ZREM", open_key("echo"), "queued")
    found = audit(busy).differences
    busy.raw("ZADD", open_key("echo"), 5, "queued")

    assert again(busy, found) == []


@pytest.mark.spoils_keys
def test_record_that_cannot_be_read_is_told_and_hides_nothing(busy: Store) -> None:
    busy.raw("LPUSH", job_key("spoiled"), "in the way")
    busy.raw("ZREM", open_key("echo"), "queued")

    found = audit(busy).differences

    assert {(item.job_id, item.what) for item in found} == {("spoiled", "record"), ("queued", "open")}
    assert "WRONGTYPE" in next(item.found for item in found if item.what == "record")


@pytest.mark.spoils_keys
@pytest.mark.parametrize(
    "key",
    [
        *(open_key("echo"), ended_key("echo"), app_open_key("demo"), app_ended_key("demo"), DEAD),
        *(load_key("echo"), "athena:kept:echo", inflight_key("w1"), canceled_key("w1")),
        *(queues_key("echo"), line_key(ANY_QUEUE), ANY_QUEUE),
    ],
)
def test_key_that_is_none_of_ours_is_told_and_hides_nothing(busy: Store, key: str) -> None:
    busy.raw("ZADD", app_open_key("other"), 5, "nobody")
    busy.raw("SET", key, "in the way")

    found = audit(busy).differences

    told = {(item.job_id, item.what, item.owner) for item in found}
    assert told >= {("", "key", key), ("nobody", "app_open", "other")}
    assert "record" not in {item.what for item in found}
    assert ("", "key", key) in {item[:3] for item in again(busy, found, repair=True)}
    assert busy.raw("GET", key) == b"in the way"


def test_jobs_of_a_forgotten_ability_are_missed_in_no_list(busy: Store) -> None:
    busy.raw("HDEL", ABILITIES, "echo")
    busy.raw("DEL", ended_key("echo"))

    assert audit(busy).differences == []


@pytest.mark.spoils_keys
def test_what_is_too_large_for_one_step_is_told(busy: Store) -> None:
    for first in range(0, MOST_COUNTED, 1000):
        busy.raw(
            "ZADD", open_key("echo"), *(item for number in range(1000) for item in (1, f"x{first + number}"))
        )
    busy.raw("LPUSH", CPU_QUEUE, *["m"] * MOST_QUEUED)

    findings = audit(busy)

    assert findings.uncounted == [
        f"messages of {CPU_QUEUE}: more than {MOST_QUEUED}",
        "bytes of echo: too many jobs",
    ]
    assert len(findings.differences) == MOST_COUNTED


def test_job_that_nobody_holds_is_set_free_though_its_queue_is_too_long(busy: Store) -> None:
    filling = [submission(f"x{number}", max_queue_jobs=2 * MOST_QUEUED) for number in range(MOST_QUEUED)]
    for first in range(0, MOST_QUEUED, 200):
        busy.submit_all(*filling[first : first + 200])
    busy.raw("HDEL", inflight_key("w1"), "running")

    findings = audit(busy)

    lost = Difference("running", "lost", ANY_QUEUE, "held by w1", "held by nobody")
    assert findings.differences == [lost]
    assert findings.uncounted == [f"messages of {ANY_QUEUE}: more than {MOST_QUEUED}"]
    assert again(busy, [lost], repair=True) == [lost]
    assert (busy.state("running"), busy.field("running", "token")) == (JobState.QUEUED, b"")
    busy.raw("HSET", job_key("running"), "expires_ms", 1)
    busy.raw("ZADD", open_key("echo"), 1, "running")
    busy.run(sweep_command("echo", [ANY_QUEUE], 60, 60, False))
    assert busy.state("running") is JobState.EXPIRED


def test_registered_worker_may_hold_what_was_canceled_and_forgotten(busy: Store) -> None:
    busy.raw("HSET", WORKERS, "w3", WorkerEntry("w3", "n", "echo", "v1", "cpu", 4).encode())
    busy.raw("HSET", inflight_key("w3"), "gone", "a message", "done", "a message")

    assert audit(busy).differences == []


class Bustle(threading.Thread):
    """Jobs that come, run, end, fail, go back, are canceled and lose their worker, until it is stopped."""

    def __init__(self, store: Store) -> None:
        super().__init__(daemon=True)
        self.store = store
        self.rounds = 0
        self.failure: BaseException | None = None
        self._is_over = threading.Event()

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._round()
                self.rounds += 1
        except BaseException as error:
            self.failure = error

    def end(self) -> None:
        self._is_over.set()
        self.join(60)
        assert self.failure is None, self.failure

    def _round(self) -> None:
        store, name = self.store, f"r{self.rounds}"
        for number in range(6):
            is_private = number % 2 == 0
            gateway = "g1" if is_private else ""
            store.submit(f"{name}-{number}", abandonable=is_private, gateway=gateway, app_id=f"a{number}")
        taken = store.take(5)
        store.start(*taken[:2])
        store.give_back(*taken[4:])
        outcomes = (succeeded(), failed())
        ended = [(job.job_id, job.token, outcome) for job, outcome in zip(taken, outcomes, strict=False)]
        store.finish_all(*ended)
        store.run(cancel_command([f"{name}-2", f"{name}-4"], "not wanted"))
        store.leave(f"{name}-5", "g1")
        incarnation = f"x{self.rounds}"
        store.register(incarnation)
        store.take(2, incarnation)
        store.fence(incarnation=incarnation)
        store.run(sweep_command("echo", [ANY_QUEUE, CPU_QUEUE], 86400, 60, self.rounds % 5 == 0))
        for job in taken[2:4]:
            store.finish(job.job_id, job.token)


def test_nothing_is_found_while_jobs_flow(store: Store, redis_client: redis.Redis) -> None:
    store.raw("HSET", ABILITIES, "echo", interface().encode())
    connection: Any = redis_client.connection_pool.make_connection()
    bustle = Bustle(Store(connection))
    bustle.start()

    try:
        wait_until(lambda: bustle.rounds >= 5, "jobs flow")
        for number in range(8):
            findings = audit(store)
            assert findings.differences == [], number
            # What is planted meanwhile is set right, and nothing else is.
            store.raw("ZADD", app_open_key("a1"), 5, "nobody")
            found = audit(store).differences
            assert [item.job_id for item in found] == ["nobody"]
            assert again(store, found, repair=True) == found
        before = bustle.rounds
        wait_until(lambda: bustle.rounds > before, "jobs still flow")
    finally:
        bustle.end()
        connection.disconnect()

    assert audit(store).differences == []
    assert audit(store).looked_at > 30


# the command


def doctor(capsys: pytest.CaptureFixture[str], redis_server: str, *options: str) -> tuple[int, str]:
    status = main(["doctor", "--redis", redis_server, *options])
    return status, capsys.readouterr().out


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command waited; it does not really."""
    waits: list[float] = []
    monkeypatch.setattr("athena.cli.observe.doctor.sleep", waits.append)
    return waits


def test_command_shows_and_repairs(
    busy: Store, redis_server: str, capsys: pytest.CaptureFixture[str], instant: list[float]
) -> None:
    assert doctor(capsys, redis_server, "--audit") == (0, "10 records, 0 differences\n")
    busy.raw("ZREM", open_key("echo"), "queued")

    status, shown = doctor(capsys, redis_server, "--audit")
    assert status == 1
    assert [line.split() for line in shown.splitlines()[:2]] == [
        ["JOB", "WHAT", "OF", "FOUND", "RIGHT"],
        ["queued", "open", "echo", "not", "listed", "listed"],
    ]
    assert shown.endswith("10 records, 1 differences found; --repair sets them right\n")

    status, shown = doctor(capsys, redis_server, "--audit", "--repair", "--json")
    document = json.loads(shown)
    assert (status, document["repaired"], document["records"]) == (1, True, 10)
    assert document["differences"] == [
        {"job_id": "queued", "what": "open", "owner": "echo", "found": "not listed", "right": "listed"}
    ]
    assert doctor(capsys, redis_server, "--audit")[0] == 0
    assert instant == [SECOND_LOOK_S, SECOND_LOOK_S]


def test_command_without_options_says_what_is_wrong(
    store: Store, redis_server: str, capsys: pytest.CaptureFixture[str], instant: list[float], tmp_path: Path
) -> None:
    store.raw("DEL", WORKERS)
    assert doctor(capsys, redis_server, "--data", str(tmp_path)) == (0, "all is well\n")
    store.raw("HSET", ABILITIES, "echo", interface().encode())
    store.register()

    status, shown = doctor(capsys, redis_server, "--data", str(tmp_path), "--json")

    [wrong] = json.loads(shown)["wrong"]
    assert (status, wrong["what"]) == (1, "worker echo.cpu.0@host has no heartbeat")
    # What the look at the machine took is not waited again.
    assert len(instant) == 2 and all(0 <= wait_s < HEARTBEATS_S for wait_s in instant)


def test_command_looks_at_keys_where_they_are_needed(
    store: Store,
    redis_server: str,
    capsys: pytest.CaptureFixture[str],
    instant: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told() -> list[str]:
        shown = doctor(capsys, redis_server, "--data", str(tmp_path), "--json")[1]
        return [wrong["what"] for wrong in json.loads(shown)["wrong"]]

    store.raw("DEL", WORKERS)
    monkeypatch.setenv("ATHENA_SEAL_KEY", "s" * 32)
    assert told() == []
    monkeypatch.setenv("ATHENA_ACCESS", "keys")
    assert told() == ["every request needs a key, and there is none that opens"]
    assert main(["keys", "create", "web", "--redis", redis_server]) == 0
    capsys.readouterr()
    assert told() == []
    monkeypatch.setenv("ATHENA_SEAL_KEY", "t" * 32)
    assert [what.endswith("those of web") for what in told()] == [True]


def test_command_says_that_redis_does_not_answer(
    capsys: pytest.CaptureFixture[str], instant: list[float], tmp_path: Path
) -> None:
    status, shown = doctor(capsys, f"unix://{tmp_path}/nobody.sock", "--json")

    [wrong] = json.loads(shown)["wrong"]
    assert status == 1
    assert "Redis does not answer" in wrong["what"]
    assert wrong["remedy"] == "start Redis, or name another one"


def test_command_says_that_redis_refuses(
    store: Store, redis_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store.raw("SET", WORKERS, "no hash")

    assert main(["workers", "ls", "--redis", redis_server]) == 78
    assert "Redis refuses: WRONGTYPE" in capsys.readouterr().err
    store.raw("DEL", WORKERS)
