"""One fault at a time, under load: every accepted job ends once, and nobody hangs (docs/reliability.md)."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path

import pytest
import requests

from tests.chaos.books import wrong_books
from tests.chaos.check import read
from tests.chaos.deaths import Deaths
from tests.chaos.director import Director
from tests.chaos.envelopes import envelope
from tests.chaos.faults import Faults
from tests.chaos.history import History
from tests.chaos.limits import tell_limits
from tests.chaos.load import Crowd, Load
from tests.chaos.notes import Notes
from tests.chaos.redis_server import Loss
from tests.chaos.rules import complaints
from tests.chaos.schedule import Planned
from tests.chaos.snapshot import tell_end
from tests.chaos.stage import Stage, both_ledgers, ledger_with
from tests.chaos.traits import TRAITS
from tests.chaos.verdict import Verdict, judge, open_jobs
from tests.chaos.waiting import wait_for
from tests.proxy import Mode

pytestmark = pytest.mark.e2e

#: Generous: the machine may be slow. `make chaos` measures.
LIMIT_S = 60.0

FAULTS = [
    "all replaced (SIGHUP)",
    "call overruns",
    "connections cut, long calls",
    "connections half open",
    "gateway killed",
    "gateway stopped, long calls",
    "host and redis lose power",
    "host frozen, then back",
    "host killed",
    "network black hole",
    "poison",
    "redis back a second",
    "redis frozen",
    "redis killed",
    "redis loses power",
    "redis restarted",
    "redis without replicas",
    "redis' disk full",
    "replies lost",
    "supervisor and redis killed",
    "worker frozen, then back",
    "worker killed",
    "worker stopped (SIGTERM)",
    "worker with children killed",
]

#: Those that need what not every machine has, or are much like one above: `make chaos` makes them.
LONG_FORM = [
    "gateway of another version",
    "host cut off",
    "host of another version",
    "link slow",
    "master cut off",
    "master loses power",
    "near host of another version",
    "redis' clock stepped",
    "redis' disk slow",
    "redis' file torn",
]

CROWD = Crowd(short=5, middle=1, private=0, bulk=1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two hosts, two gateways, one Redis."""
    folder = tmp_path_factory.mktemp("stage")
    stage = Stage(folder, both_ledgers(folder))
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()


@pytest.fixture
def deaths(stage: Stage) -> Iterator[Deaths]:
    """Follows what the supervisors say."""
    deaths = Deaths({host.name: host.log_path for host in (stage.near, stage.far)})
    deaths.start()
    yield deaths
    deaths.stop()


def end(stage: Stage, load: Load, losses: Sequence[Loss] = ()) -> Verdict:
    """Waits for the end of all jobs and looks at each."""
    wait_for(lambda: open_jobs(stage.redis.client) == 0, LIMIT_S, "all jobs have ended")
    return judge(stage.redis.client, load, stage.ledger_path, losses)


def assert_kept(verdict: Verdict, load: Load, at_least: int = 1) -> None:
    """The promises, as counts."""
    assert verdict.jobs >= at_least
    assert (verdict.lost, verdict.with_two_results, verdict.wrong, load.hung) == (0, 0, 0, 0), verdict


def begun(stage: Stage, request_id: str) -> int:
    """Returns how often a job was begun."""
    lines = stage.ledger_path.read_text().splitlines()
    return Counter(line.split()[1] for line in lines if line.startswith("begin"))[request_id]


def job(stage: Stage, request_id: str) -> dict[str, object]:
    """Returns a job as its caller sees it."""
    answer = requests.get(f"{stage.urls[0]}/v1/jobs/{request_id}", timeout=LIMIT_S).json()
    described: dict[str, object] = answer["job"]
    return described


def test_list_of_faults_is_complete(stage: Stage, deaths: Deaths) -> None:
    found = sorted(Faults(stage, Load(()), deaths).all())

    assert found == sorted(FAULTS + LONG_FORM) == sorted(TRAITS)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_accepted_job_ends_once(stage: Stage, deaths: Deaths, fault: str) -> None:
    load = Load(stage.urls, CROWD)
    faults = Faults(stage, load, deaths)
    load.start()
    try:
        wait_for(lambda: len(load.accepted) > 50, LIMIT_S, "load")
        faults.run(fault)
        so_far = len(load.accepted)
        wait_for(lambda: len(load.accepted) > so_far + 50, LIMIT_S, "load goes on")
    finally:
        load.stop()

    assert_kept(end(stage, load, faults.redis.losses), load, at_least=100)
    assert wrong_books(stage.redis.url) == []
    _, unexplained = deaths.attribute()
    assert unexplained == []
    assert not load.bad


def test_history_of_overlapping_faults_breaks_no_rule(stage: Stage, deaths: Deaths, tmp_path: Path) -> None:
    # Two workers end at once, and a gateway with them.
    names = ("worker killed", "gateway killed", "worker stopped (SIGTERM)")
    plan = [Planned(number, number / 2, name, number) for number, name in enumerate(names)]
    with History(tmp_path / "history") as history:
        tell_limits(stage, history, seed=0)
        notes, crowd = Notes(history), Crowd(short=1, private=1, surface=4)
        load = Load(stage.urls, crowd, notes=notes, redis_url=stage.redis.url)
        load.start()
        try:
            wait_for(lambda: len(notes.ids) > 50, LIMIT_S, "load")
            outcomes = Director(stage, Faults(stage, load, deaths), history, len(names)).follow(plan, inf)
            so_far = len(notes.ids)
            wait_for(lambda: len(notes.ids) > so_far + 50, LIMIT_S, "load goes on")
        finally:
            load.stop()
        wait_for(lambda: open_jobs(stage.redis.client) == 0, LIMIT_S, "all jobs have ended")
        tell_end(stage, history, notes.ids, stage.idle_slots())

    assert (outcomes.stuck, load.hung, load.bad) == ([], 0, {})
    story = read(tmp_path / "history")
    assert {seen.do for job in story.jobs.values() for seen in job.seen} >= {"run", "poll", "cancel"}
    found = complaints(story)
    assert not any(found.values()), found


def test_worker_that_holds_the_interpreter_is_not_taken_for_dead(stage: Stage) -> None:
    load = Load(stage.urls)

    (request_id,) = load.submit(1, mode="hold", seconds=7)

    assert_kept(end(stage, load), load)
    assert (job(stage, request_id)["attempts"], job(stage, request_id)["deaths"]) == (1, 0)
    assert begun(stage, request_id) == 1


def test_two_gateways_may_wait_for_one_job(stage: Stage) -> None:
    answers: list[str] = []

    def call(url: str) -> None:
        body = requests.post(f"{url}/ledger", json=envelope("shared", seconds=1), timeout=LIMIT_S).json()
        answers.append(body["payload"]["text"]["text"])

    threads = [threading.Thread(target=call, args=(url,)) for url in stage.urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert begun(stage, "shared") == 1


def test_full_redis_refuses_new_jobs_and_ends_those_it_has(stage: Stage) -> None:
    load = Load(stage.urls)
    load.submit(100, seconds=0.01)
    client = stage.redis.client
    client.config_set("maxmemory", 1_000_000)
    try:
        refused = [
            requests.post(f"{url}/ledger", json=envelope(f"full-{number}"), timeout=LIMIT_S)
            for number, url in enumerate(stage.urls)
        ]
        drained = end(stage, load)
    finally:
        client.config_set("maxmemory", 0)

    assert [(answer.status_code, answer.json()["header"]["code"]) for answer in refused] == [(503, 10250)] * 2
    assert_kept(drained, load, at_least=100)
    wait_for(lambda: load.call(stage.urls[0]), LIMIT_S, "new jobs are taken again")


def test_late_answer_of_a_host_that_was_taken_for_dead_is_dropped(stage: Stage) -> None:
    load = Load(stage.urls)
    # More than the near worker can hold, so that the far one has some.
    names = load.submit(40, seconds=0.5)
    far = stage.far.everything()
    wait_for(lambda: sum(begun(stage, name) for name in names) >= 2, LIMIT_S, "jobs run")

    for process in far:
        process.suspend()
    time.sleep(7)
    for process in far:
        process.resume()

    assert_kept(end(stage, load), load, at_least=40)


# what the wrapper does; alone on a stage with large batches


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The same, with batches of 32 and a limit of 4 s."""
    folder = tmp_path_factory.mktemp("batches")
    changes = {
        "slots = 16": "slots = 64",
        "max_batch = 4": "max_batch = 32",
        "max_exec_s = 40": "max_exec_s = 4",
    }
    stage = Stage(folder, [ledger_with(folder, changes)])
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()


def test_poison_among_a_thousand_harms_nobody(batches: Stage) -> None:
    load = Load(batches.urls)

    load.submit(500)
    poison = "poison"
    load.queue(poison, is_poison=True, mode="die")
    load.submit(500)

    assert_kept(end(batches, load), load, at_least=1001)
    assert (job(batches, poison)["state"], begun(batches, poison)) == ("poisoned", 3)
    assert "exit status 3" in str(job(batches, poison)["last_failure"])
    assert batches.redis.client.zscore("athena:dead", load.accepted[poison].job_id)


def test_job_that_overruns_is_ended_and_its_batch_mates_are_not(batches: Stage) -> None:
    load = Load(batches.urls)
    slow = load.submit(1, seconds=60)
    good = load.submit(30)

    wait_for(lambda: open_jobs(batches.redis.client) == 0, LIMIT_S, "all jobs have ended")

    assert job(batches, slow[0])["state"] == "timed_out"
    assert {job(batches, name)["state"] for name in good} == {"succeeded"}


def test_jobs_expire_while_no_worker_is_alive(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    try:
        stage.start()
        for host in (stage.near, stage.far):
            host.kill()
        request = envelope("late")
        request["header"]["max_queue_s"] = 1
        url = stage.urls[1]

        answer = requests.post(f"{url}/ledger", json=request, timeout=LIMIT_S)

        assert (answer.status_code, answer.json()["header"]["code"]) == (504, 10114)
        found = requests.get(f"{url}/v1/jobs/late", timeout=LIMIT_S).json()["job"]
        assert found["state"] == "expired"
    finally:
        stage.stop()


def test_black_hole_between_worker_and_redis_is_noticed(stage: Stage) -> None:
    load = Load(stage.urls)
    with stage.proxy.broken(Mode.BLACK_HOLE):
        load.submit(60, seconds=0.1)
        verdict = end(stage, load)

    assert_kept(verdict, load, at_least=60)
    wait_for(lambda: len(workers_of(stage)) == 2, LIMIT_S, "the far worker serves again")


def workers_of(stage: Stage) -> list[object]:
    """Returns the workers that a gateway sees."""
    answer = requests.get(f"{stage.urls[0]}/v1/abilities/ledger", timeout=LIMIT_S)
    found: list[object] = answer.json()["workers"]
    return found
