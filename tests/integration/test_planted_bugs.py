"""Bugs planted in the real scripts, on a real Redis: the checker of histories finds each in what it does.

A small world lives through one story: callers, two workers, a fence. It writes a history like that of a run.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import redis

from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.store.keys import bell_key
from athena.store.lease import TakenJob
from athena.store.lua_constants import with_constants
from athena.store.scripts import SCRIPTS
from athena.store.submission import cancel_command
from tests.chaos.snapshot import lasting_keys
from tests.unit.chaos.forge import NEAR, SETTINGS, Forge, broken_rules

from .conftest import ANY_QUEUE, Store

pytestmark = [pytest.mark.redis, pytest.mark.spoils_keys]

PIDS = {"w1": 1, "w2": 2}


class World:
    """Does what gateways and workers do, one step a second on a clock of its own."""

    def __init__(self, store: Store, client: redis.Redis, swaps_answers: bool = False) -> None:
        self.forge = Forge()
        self._store = store
        self._client = client
        self._swaps_answers = swaps_answers
        self._now_s = 0.0
        self._runs: dict[tuple[str, str], str] = {}
        self._names: dict[str, str] = {}
        self.forge.note(
            0, "settings", **{**SETTINGS, "gateways": [NEAR], "services": ["echo"], "heeded_s": 0.5}
        )
        self.forge.note(0, "hosts", workers={worker: [pid] for worker, pid in PIDS.items()})
        for worker in PIDS:
            store.register(worker)

    def tick(self) -> float:
        """A second later."""
        self._now_s += 1
        return self._now_s

    def submit(self, name: str, job_id: str = "", may: str = "succeeded") -> None:
        """A caller sends a request, perhaps not for the first time."""
        if name not in self._names:
            self.forge.want(self.tick(), name, may)
        verdict = self._store.submit(job_id or name, request_id=name, body_hash="h")
        is_old = verdict[0] == b"attached"
        found, state = (word.decode() for word in verdict[1:]) if is_old else (job_id or name, "queued")
        self._names[name] = found
        self.forge.ask(self.tick(), self.tick(), name, "run", status=202, id=found, state=state)

    def take(self, worker: str, count: int = 10) -> list[TakenJob]:
        """A worker that sleeps takes jobs if it is woken."""
        woken = self._store.raw("LPOP", bell_key(ANY_QUEUE)) is not None
        return (self._store.try_take(count, worker) or []) if woken else []

    def run(self, worker: str, *jobs: TakenJob) -> None:
        """The wrapper runs a batch."""
        for job in jobs:
            # Jobs of one take share their token.
            run = self._runs[job.job_id, job.token] = f"r{len(self._runs)}"
            began_s = self.tick()
            self.forge.run(began_s, self.tick(), job.job_id, run, PIDS[worker])

    def finish(self, worker: str, *jobs: TakenJob) -> None:
        """A worker tells the answers of a batch."""
        answers = [f"{self._runs[job.job_id, job.token]}.d{job.job_id}" for job in jobs]
        if self._swaps_answers:
            answers.reverse()
        for job, answer in zip(jobs, answers, strict=True):
            outcome = Outcome(JobState.SUCCEEDED, answer.encode(), exec_ms=7, batch_size=len(jobs))
            self._store.finish(job.job_id, job.token, outcome, worker)

    def serve(self, worker: str) -> None:
        """A worker takes what there is, runs it and tells the answers."""
        jobs = self.take(worker)
        self.run(worker, *jobs)
        self.finish(worker, *jobs)

    def ask(self, name: str) -> None:
        """A caller asks how his job stands."""
        record = self._store.read(self._names[name])
        sent_s, heard_s = self.tick(), self.tick()
        if record is None:
            self.forge.ask(sent_s, heard_s, name, status=404, id="")
        else:
            told = {
                "id": record.job_id,
                "state": str(record.state),
                "result": (record.result or b"").decode(),
            }
            self.forge.ask(sent_s, heard_s, name, **told)

    def cancel(self, name: str) -> None:
        """A caller cancels his job."""
        self._store.run(cancel_command([self._names[name]], "somebody canceled it"))
        self.forge.ask(self.tick(), self.tick(), name, "cancel", id=self._names[name], state="canceled")

    def fence(self, worker: str) -> None:
        """A worker is taken for dead, and lives."""
        self.forge.note(self.tick(), "fault", fault="host frozen", number=1, severs=[worker])
        self._store.fence(incarnation=worker)
        self.forge.note(self.tick(), "mended", number=1)

    def end(self) -> None:
        """Notes how all stands, as a run does."""
        for name, job_id in self._names.items():
            record = self._store.read(job_id)
            state = str(record.state) if record else "unknown"
            result = (record.result or b"").decode() if record else ""
            self.forge.final(name, state, id=job_id, result=result)
        self.forge.note(self.tick(), "probe", to=NEAR, service="echo", status=200)
        self.forge.note(
            self.tick(),
            "snapshot",
            keys=lasting_keys(self._client),
            books={"echo": int(self._store.raw("HGET", "athena:load:echo", "bytes") or 0)},
            workers={},
            pids=[PIDS["w2"]],
            idle_slots=0,
        )


def live(world: World) -> dict[str, list[str]]:
    """Lives through the story; returns the rules that its history breaks."""
    world.submit("first")
    world.submit("mate")
    world.serve("w1")
    world.ask("first")
    world.ask("mate")
    world.submit("first", "again")
    world.submit("zombie")
    late = world.take("w1")
    world.run("w1", *late)
    world.fence("w1")
    world.serve("w2")
    world.ask("zombie")
    world.finish("w1", *late)
    world.ask("zombie")
    # Long after the fence: it explains nothing any more.
    for _ in range(20):
        world.tick()
    world.submit("canceled", may="canceled")
    world.cancel("canceled")
    world.serve("w2")
    world.submit("dropped", may="canceled")
    held = world.take("w2")
    world.run("w2", *held)
    world.cancel("dropped")
    world.finish("w2", *held)
    world.submit("last")
    world.serve("w2")
    for name in ("first", "canceled", "dropped", "last"):
        world.ask(name)
    world.end()
    return broken_rules(world.forge.lines)


@dataclass(frozen=True)
class Plant:
    """A bug: what is changed in the scripts that hold it, and the rule that must find it."""

    name: str
    rule: str
    changes: tuple[tuple[str, str], ...]


PLANTS = [
    Plant(
        "a dropped fence",
        "final_states_stay",
        (
            ("if known.state and known.token ~= token then", "if false then"),
            ("if not known.state or FINAL[known.state] then", "if not known.state then"),
        ),
    ),
    Plant("a lost wake-up", "ends_once", (("redis.call('LPUSH', bell, 1)", ""),)),
    Plant(
        "a message that is lost with its worker",
        "ends_once",
        (("redis.call('RPUSH', known[1], message) == 1", "false"),),
    ),
    Plant(
        "a cancel that nobody heeds",
        "nothing_runs_after_its_end",
        (("if state ~= 'queued' then\n    keep_message", "if false then\n    keep_message"),),
    ),
    Plant(
        "a record that expires early",
        "known_until_their_time",
        (("redis.call('PEXPIRE', key, known.record_ttl_ms)", "redis.call('PEXPIRE', key, 0)"),),
    ),
    Plant(
        "a request_id that is forgotten",
        "names_mean_one_job",
        (("local known_id, state, known_hash = known_job", "local known_id = nil and known_job"),),
    ),
    Plant(
        "a result that is kept for ever",
        "books_are_closed",
        (("RESULT .. id, result, 'PX', known.result_ttl_ms", "RESULT .. id, result"),),
    ),
    Plant("bytes that stay counted", "books_are_closed", (("'bytes', -page.bytes", "'bytes', 0"),)),
    Plant(
        "a job that stays held", "books_are_closed", (("redis.call('HDEL', inflight, unpack(ended))", ""),)
    ),
    Plant(
        "a cancel that is never put away",
        "books_are_closed",
        (("redis.call('SREM', CANCELED .. ARGV[1], id)", ""),),
    ),
]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Plant], None]:
    """Plants a bug in all scripts that hold the place."""

    def change(bug: Plant) -> None:
        for old, new in bug.changes:
            places = [script for script in SCRIPTS if old in script.text]
            assert places, f"no script holds {old!r} any more"
            for script in places:
                text = script.text.replace(old, new)
                source = with_constants(text)
                monkeypatch.setitem(vars(script), "text", text)
                monkeypatch.setitem(vars(script), "source", source)
                monkeypatch.setitem(vars(script), "sha", hashlib.sha1(source.encode()).hexdigest())

    return change


def test_story_without_a_bug_breaks_no_rule(store: Store, redis_client: redis.Redis) -> None:
    assert live(World(store, redis_client)) == {}


@pytest.mark.parametrize("bug", PLANTS, ids=lambda bug: bug.name)
def test_bug_in_a_script_is_found(
    store: Store, redis_client: redis.Redis, plant: Callable[[Plant], None], bug: Plant
) -> None:
    plant(bug)

    assert bug.rule in live(World(store, redis_client))


def test_worker_that_mixes_its_answers_up_is_found(store: Store, redis_client: redis.Redis) -> None:
    assert "results_fit_inputs" in live(World(store, redis_client, swaps_answers=True))
