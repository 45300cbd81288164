"""What is kept of jobs that did not succeed, and what their timelines say."""

import re
from typing import Any

import pytest

from athena.jobs.record import JobRecord, Outcome
from athena.jobs.timeline import Event
from athena.operations.jobs import cancel_jobs
from athena.operations.listing import JobFilter, list_jobs
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from athena.store.fencing import sweep_command
from athena.store.keys import DEAD, app_ended_key, ended_key, history_key, job_key, load_key

from .conftest import CPU_QUEUE, Store, failed, succeeded

pytestmark = pytest.mark.redis

WORKER = "echo.cpu.0@host"
DAY_MS = 86_400_000

#: Numbers of athena/store/lua/lib/history.lua and past.lua.
HISTORY_JOBS, HISTORY_BYTES, PAST_ATTEMPTS = 10_000, 16_777_216, 20


def submit_private(store: Store, job_id: str, **changes: Any) -> None:
    """Submits a job as a synchronous call does that names no request_id."""
    ttls = {"result_ttl_s": 60, "record_ttl_s": 60, "failure_ttl_s": 86400}
    store.submit(job_id, **{"abandonable": True, "gateway": "g1", **ttls, **changes})


def end_private(store: Store, job_id: str, outcome: Outcome) -> None:
    """Has such a job end."""
    submit_private(store, job_id)
    (job,) = store.take(1)
    assert store.finish(job_id, job.token, outcome) == 1


def events(record: JobRecord) -> list[tuple[str, int, str]]:
    """Returns what happened to a job, without times and details; these are in their order."""
    timeline = record.timeline()
    assert [event.at_ms for event in timeline] == sorted(event.at_ms for event in timeline)
    assert all(event.at_ms > 1_600_000_000_000 for event in timeline)
    return [(event.event, event.attempt, event.worker) for event in timeline]


def last(record: JobRecord) -> Event:
    """Returns what happened last."""
    return record.timeline()[-1]


def test_failed_job_that_only_its_caller_knew_is_kept_as_long_as_others(store: Store) -> None:
    end_private(store, "bad", failed("ValueError: no")._replace(place="wrapper.py:7 in wrapperOnceExec"))
    end_private(store, "good", succeeded())

    record = store.record("bad")
    assert DAY_MS - 60_000 < store.pttl(job_key("bad")) <= DAY_MS
    assert store.pttl(job_key("good")) <= 60_000
    assert (record.code, record.message) == (10909, "ValueError: no")
    assert record.place == "wrapper.py:7 in wrapperOnceExec"
    assert record.result is None
    assert record.exec_ms == 3
    assert store.raw("ZRANGE", ended_key("echo"), 0, -1) == [b"bad"]
    assert store.raw("ZRANGE", app_ended_key("demo"), 0, -1) == [b"bad"]
    assert store.pttl(app_ended_key("demo")) > DAY_MS - 60_000


@pytest.mark.parametrize("state", [JobState.CANCELED, JobState.EXPIRED, JobState.TIMED_OUT])
def test_every_end_but_success_is_kept(store: Store, state: JobState) -> None:
    submit_private(store, "j1", max_queue_s=0 if state is JobState.EXPIRED else 600)
    if state is JobState.CANCELED:
        assert store.leave("j1", "g1") == 1
    elif state is JobState.EXPIRED:
        store.run(sweep_command("echo", [CPU_QUEUE], 60, 60, False))
    else:
        store.take(1)
        store.fence("j1", overran=True, overrun_message="too slow")
        store.register()

    assert store.record("j1").state is state
    assert store.pttl(job_key("j1")) > DAY_MS - 60_000
    page = run_steps(list_jobs(JobFilter("echo"), 10), store.run)
    assert [record.job_id for record in page.jobs] == ["j1"]
    assert last(store.record("j1")).event == state
    assert last(store.record("j1")).detail


@pytest.mark.spoils_keys
def test_the_oldest_records_go_when_there_are_too_many(store: Store) -> None:
    end_private(store, "old", failed())
    # So many others, whose records have expired, came between.
    store.raw("LPUSH", history_key("echo"), *(f"10 gone-{number}" for number in range(HISTORY_JOBS - 1)))

    end_private(store, "new", failed())

    assert store.read("old") is None
    assert store.raw("ZRANGE", ended_key("echo"), 0, -1) == [b"new"]
    assert store.raw("ZRANGE", app_ended_key("demo"), 0, -1) == [b"new"]
    assert store.raw("LLEN", history_key("echo")) == HISTORY_JOBS


def test_the_oldest_records_go_when_they_are_too_large(store: Store) -> None:
    end_private(store, "old", failed("x" * 4000))
    (entry,) = store.raw("LRANGE", history_key("echo"), 0, -1)
    assert re.fullmatch(rb"[456]\d\d\d old", entry)
    store.raw("HSET", load_key("echo"), "history_bytes", HISTORY_BYTES - 100)

    end_private(store, "new", failed())

    assert store.read("old") is None
    assert store.record("new").code == 10909


def test_what_is_counted_is_what_is_listed(store: Store) -> None:
    for number in range(5):
        end_private(store, f"j{number}", failed("x" * number))

    entries = store.raw("LRANGE", history_key("echo"), 0, -1)
    counted = int(store.raw("HGET", load_key("echo"), "history_bytes"))
    assert counted == sum(int(entry.split()[0]) for entry in entries)
    assert 0 < store.pttl(history_key("echo")) <= DAY_MS


def test_entries_go_when_their_records_have_expired(store: Store) -> None:
    for name in ("a", "b"):
        end_private(store, name, failed())
    store.raw("UNLINK", job_key("a"))

    store.run(sweep_command("echo", [CPU_QUEUE], 60, 60, True))

    (entry,) = store.raw("LRANGE", history_key("echo"), 0, -1)
    assert entry.endswith(b" b")
    assert int(store.raw("HGET", load_key("echo"), "history_bytes")) == int(entry.split()[0])


def test_dead_letters_are_no_part_of_it(store: Store) -> None:
    submit_private(store, "j1")
    store.take(1)
    store.fence("j1", max_attempts=1)
    store.register()

    assert store.record("j1").state is JobState.POISONED
    assert not store.exists(history_key("echo"))
    assert store.raw("ZRANGE", DEAD, 0, -1) == [b"j1"]
    store.raw("UNLINK", job_key("j1"), "athena:message:j1")


def test_job_that_others_can_ask_for_is_not_pushed_out(store: Store) -> None:
    store.submit("j1")
    (job,) = store.take(1)
    store.finish("j1", job.token, failed())

    assert not store.exists(history_key("echo"))


def test_timeline_of_a_success(store: Store) -> None:
    store.submit("j1")
    (job,) = store.take(1)
    store.finish("j1", job.token, succeeded())

    assert events(store.record("j1")) == [
        ("submitted", 0, ""),
        ("taken", 1, WORKER),
        ("started", 1, WORKER),
        ("succeeded", 0, ""),
    ]


def test_timeline_of_a_job_that_killed_its_workers(store: Store) -> None:
    store.submit("j1")
    for number in (1, 2):
        (job,) = store.take(1)
        if number == 1:
            store.start(job)
        store.fence("j1", max_attempts=2, worker=f"echo.cpu.{number}@host", reason="killed by SIGSEGV")
        store.register()

    record = store.record("j1")
    assert events(record) == [
        ("submitted", 0, ""),
        ("taken", 1, "echo.cpu.1@host"),
        ("started", 1, "echo.cpu.1@host"),
        ("worker_died", 1, "echo.cpu.1@host"),
        ("taken", 2, "echo.cpu.2@host"),
        # What runs alone counts as started when it is taken.
        ("started", 2, "echo.cpu.2@host"),
        ("worker_died", 2, "echo.cpu.2@host"),
        ("poisoned", 0, ""),
    ]
    assert record.timeline()[3].detail == "killed by SIGSEGV"
    store.raw("UNLINK", job_key("j1"), "athena:message:j1")
    store.raw("DEL", DEAD)


def test_timeline_of_a_job_that_was_tried_again(store: Store) -> None:
    store.submit("j1")
    (job,) = store.take(1)
    again = failed("ConnectionError: no\nlicence\tserver")._replace(
        retry_after_s=0, place="wrapper.py:9 in f"
    )
    store.finish("j1", job.token, again)
    store.run(sweep_command("echo", [CPU_QUEUE], 60, 60, False))
    (job,) = store.take(1)
    store.acquit(job)
    (job,) = store.take(1)
    store.finish("j1", job.token, succeeded())

    record = store.record("j1")
    assert [event for event, _, _ in events(record)] == [
        *("submitted", "taken", "call_failed"),
        *("taken", "worker_broken"),
        *("taken", "started", "succeeded"),
    ]
    assert record.timeline()[2].detail == "ConnectionError: no licence server (wrapper.py:9 in f)"
    assert record.timeline()[4].detail == "no licence"


def test_job_that_was_only_held_when_its_worker_died_says_so(store: Store) -> None:
    for name in ("j1", "j2"):
        store.submit(name)
    store.take(2)
    store.fence("j1")
    store.register()

    assert [event for event, _, _ in events(store.record("j2"))] == ["submitted", "taken", "returned"]
    run_steps(cancel_jobs(["j1", "j2"]), store.run)


def test_only_the_last_attempts_are_kept(store: Store) -> None:
    store.submit("j1")
    for _ in range(PAST_ATTEMPTS + 5):
        store.take(1)
        store.fence("j1", max_attempts=100, reason="x" * 10_000)
        store.register()

    past = store.record("j1").past
    assert len(past.split("\n")) == PAST_ATTEMPTS
    assert len(past) < PAST_ATTEMPTS * 700
    assert f"\n{PAST_ATTEMPTS + 5}." in past
    run_steps(cancel_jobs(["j1"]), store.run)


def test_token_of_a_version_before_has_no_time(store: Store) -> None:
    store.submit("j1")
    store.take(1)
    store.raw("HSET", job_key("j1"), "token", "1.1:w1")
    store.finish("j1", "1.1:w1", failed())

    assert [event for event, _, _ in events(store.record("j1"))] == ["submitted", "started", "failed"]
