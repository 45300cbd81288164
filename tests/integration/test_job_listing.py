"""Listings of jobs: their order, their pages while jobs end, and what they cost Redis."""

import time
from typing import Any

import pytest

from athena.errors import NotFoundError
from athena.operations.jobs import cancel_jobs
from athena.operations.listing import LOOKED_AT_A_PAGE, JobFilter, JobPage, list_jobs
from athena.operations.steps import run_steps
from athena.store.fencing import sweep_command
from athena.store.keys import (
    ABILITIES,
    app_ended_key,
    app_open_key,
    ended_key,
    job_key,
    line_key,
    open_key,
)
from athena.store.lease import give_back_command

from .conftest import CPU_QUEUE, Store, failed, submission, succeeded

pytestmark = pytest.mark.redis

MANY = 5000


def page_of(store: Store, limit: int = 10, cursor: str = "", **wanted: Any) -> JobPage:
    """Returns a page of a listing."""
    page = run_steps(list_jobs(JobFilter(**wanted), limit, cursor), store.run)
    assert len(page.jobs) <= limit
    return page


def listed(store: Store, limit: int = 10, cursor: str = "", **wanted: Any) -> list[str]:
    """Returns the jobs of a listing from a page on."""
    found: list[str] = []
    while True:
        page = page_of(store, limit, cursor, **wanted)
        found += ids(page)
        if not page.cursor:
            return found
        cursor = page.cursor


def ids(page: JobPage) -> list[str]:
    """Returns the ids on a page."""
    return [record.job_id for record in page.jobs]


def submit_many(store: Store, count: int, app_id: str) -> list[str]:
    """Submits many jobs of an app."""
    names = [f"{app_id}-{number:05}" for number in range(count)]
    for first in range(0, count, 500):
        chunk = names[first : first + 500]
        store.submit_all(*(submission(name, app_id=app_id, max_queue_jobs=10**6) for name in chunk))
    return names


def end(store: Store, *job_ids: str) -> None:
    """Ends jobs, by far the simplest way."""
    for first in range(0, len(job_ids), 500):
        run_steps(cancel_jobs(job_ids[first : first + 500]), store.run)


def calls_of(store: Store) -> int:
    """Returns how many commands Redis has carried out, those of scripts too."""
    lines = store.raw("INFO", "commandstats").decode().split()
    counted = [line for line in lines if line.startswith("cmdstat_")]
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in counted)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_jobs_are_listed_page_by_page(store: Store, limit: int) -> None:
    store.raw("HSET", ABILITIES, "echo", b"")
    for number in range(4):
        store.submit(f"done{number}")
    for job in store.take(4):
        store.finish(job.job_id, job.token)
    for number in range(3):
        store.submit(f"open{number}", app_id="other")

    everything = listed(store, limit)
    assert everything == listed(store, 100)
    assert everything[:3] == ["open0", "open1", "open2"]
    assert sorted(everything[3:]) == [f"done{number}" for number in range(4)]
    assert listed(store, limit, state="queued", service_id="echo") == ["open0", "open1", "open2"]
    assert len(listed(store, limit, state="succeeded")) == 4
    assert listed(store, limit, app_id="nobody") == []
    assert len(listed(store, limit, app_id="other")) == 3
    assert len(listed(store, limit, app_id="demo", service_id="echo")) == 4
    assert listed(store, limit, app_id="demo", service_id="another") == []


@pytest.mark.parametrize(
    "cursor", ["x", "7.0", "0.-1", "0", "0.9999999999999999", "open.echo.x.y", "open.ocr.1.y"]
)
def test_cursor_of_our_own_making_is_asked_for(store: Store, cursor: str) -> None:
    with pytest.raises(NotFoundError, match="no page"):
        page_of(store, cursor=cursor, service_id="echo")


def test_job_that_only_its_caller_knew_is_listed_if_it_failed(store: Store) -> None:
    for name, outcome in (("good", succeeded()), ("bad", failed())):
        store.submit(name, abandonable=True, record_ttl_s=60)
        (job,) = store.take(1)
        store.finish(name, job.token, outcome)

    assert listed(store, service_id="echo") == ["bad"]
    assert listed(store, app_id="demo") == ["bad"]
    assert 0 < store.pttl(app_ended_key("demo")) <= 60_000


def test_job_that_only_its_caller_knows_is_listed_while_it_is_open(store: Store) -> None:
    store.raw("HSET", ABILITIES, "echo", b"")
    store.submit("private", abandonable=True)
    store.submit("public")

    assert listed(store, app_id="demo") == ["public", "private"]
    assert listed(store, app_id="demo", state="running") == []
    assert listed(store) == ["private", "public"]


def test_job_that_only_its_caller_knows_costs_an_app_nothing(store: Store) -> None:
    store.submit("j1", abandonable=True)
    assert not store.exists(app_open_key("demo"))
    (job,) = store.take(1)
    store.finish("j1", job.token)

    assert not store.exists(app_ended_key("demo"))


def test_open_jobs_that_end_move_no_page(store: Store) -> None:
    names = submit_many(store, 30, "demo")
    page = page_of(store, 10, service_id="echo", state="queued")
    end(store, *names[:5])

    assert ids(page) + listed(store, 10, page.cursor, service_id="echo", state="queued") == names


def test_jobs_that_end_move_no_page_of_ended_ones(store: Store) -> None:
    ended, still_open = submit_many(store, 20, "a"), submit_many(store, 20, "b")
    end(store, *ended)
    page = page_of(store, 10, service_id="echo", state="canceled")
    end(store, *still_open)

    found = ids(page) + listed(store, 10, page.cursor, service_id="echo", state="canceled")
    assert sorted(found) == sorted(ended)


@pytest.mark.parametrize("limit", [1, 7, 13])
def test_no_job_is_left_out_whatever_ends_between_the_pages(store: Store, limit: int) -> None:
    names = submit_many(store, 40, "demo")
    still_open = names.copy()
    found: list[str] = []
    cursor, turned = "", 0
    while turned == 0 or cursor:
        page = page_of(store, limit, cursor, app_id="demo")
        found, cursor, turned = found + ids(page), page.cursor, turned + 1
        end(store, *(still_open.pop(len(still_open) // 2) for _ in range(min(3, len(still_open)))))

    assert set(found) == set(names)


def test_job_that_was_listed_as_open_is_not_listed_again_as_ended(store: Store) -> None:
    names = submit_many(store, 5, "demo")
    page = page_of(store, 5, service_id="echo")
    assert ids(page) == names
    # The clock of Redis counts milliseconds.
    time.sleep(0.005)
    end(store, *names)

    assert listed(store, 5, page.cursor, service_id="echo") == []


def test_many_jobs_that_ended_at_once_are_turned_one_by_one(store: Store) -> None:
    names = submit_many(store, 300, "demo")
    end(store, *names)

    assert sorted(listed(store, 7, app_id="demo")) == names


@pytest.mark.parametrize("is_open", [True, False])
def test_few_jobs_of_an_app_among_many_are_found_at_once(store: Store, is_open: bool) -> None:
    others = submit_many(store, MANY, "others")
    mine = submit_many(store, 3, "mine")
    if not is_open:
        end(store, *mine)
        end(store, *others)

    assert sorted(ids(page_of(store, 10, app_id="mine", service_id="echo"))) == mine


@pytest.mark.parametrize("app_id", ["nobody", "others", ""])
def test_a_page_is_a_bounded_amount_of_work(store: Store, app_id: str) -> None:
    wanted = {"service_id": "echo", "app_id": app_id, "state": "failed"}
    others = submit_many(store, MANY, "others")
    end(store, *others[: MANY // 2])
    store.raw("CONFIG", "RESETSTAT")

    page = page_of(store, 10, **wanted)

    assert page.jobs == []
    assert calls_of(store) < LOOKED_AT_A_PAGE + 200
    assert page.cursor == "" or listed(store, 10, page.cursor, **wanted) == []


def test_what_an_app_has_is_forgotten_with_its_records(store: Store) -> None:
    names = submit_many(store, 2, "demo")
    end(store, names[0])
    assert 86_000_000 < store.pttl(app_ended_key("demo")) <= 86_400_000
    long_ago = int(store.raw("TIME")[0]) * 1000 - 86_500_000
    for key in (app_ended_key("demo"), ended_key("echo")):
        store.raw("ZADD", key, long_ago, names[0])

    end(store, names[1])

    assert store.raw("ZRANGE", app_ended_key("demo"), 0, -1) == [names[1].encode()]
    assert not store.exists(app_open_key("demo"))


def test_overdue_jobs_leave_the_open_ones_of_their_app(store: Store) -> None:
    store.submit("late", max_queue_s=0)

    store.run(sweep_command("echo", [CPU_QUEUE], 60, 60, False))

    assert store.raw("ZRANGE", open_key("echo"), 0, -1) == []
    assert not store.exists(app_open_key("demo"))
    assert listed(store, app_id="demo", state="expired") == ["late"]


def test_work_is_counted_for_every_app_of_a_batch(store: Store) -> None:
    for app_id in ("a", "b", ""):
        store.submit(f"of-{app_id}", app_id=app_id)
    jobs = store.take(3)
    outcomes: list[Any] = [(job.job_id, job.token, succeeded()) for job in jobs]
    assert store.finish_all(*outcomes) == [1, 1, 1]

    assert [listed(store, app_id=app_id) for app_id in ("a", "b")] == [["of-a"], ["of-b"]]
    assert sorted(listed(store, service_id="echo")) == ["of-", "of-a", "of-b"]


def test_jobs_are_listed_by_their_code(store: Store) -> None:
    for name, outcome in (("good", succeeded()), ("bad", failed()), ("odd", failed()._replace(code=10106))):
        store.submit(name)
        (job,) = store.take(1)
        store.finish(name, job.token, outcome)
    store.submit("open")

    assert listed(store, service_id="echo", code=10909) == ["bad"]
    assert listed(store, service_id="echo", code=0) == ["good"]
    assert listed(store, app_id="demo", code=10106) == ["odd"]
    assert listed(store, service_id="echo", code=1) == []


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize("of", [{"service_id": "echo"}, {"app_id": "demo"}])
def test_jobs_are_listed_by_when_they_ended_or_came(store: Store, limit: int, of: dict[str, str]) -> None:
    names = submit_many(store, 6, "demo")
    end(store, *names[:4])
    for number, name in enumerate(names):
        at_ms = 1_000_000 + number * 1000
        is_open = number >= 4
        store.raw("HSET", job_key(name), "queued_ms" if is_open else "finished_ms", at_ms)
        if not is_open:
            for key in (ended_key("echo"), app_ended_key("demo")):
                store.raw("ZADD", key, at_ms, name)

    assert listed(store, limit, since_ms=1_001_000, until_ms=1_002_000, **of) == [names[2], names[1]]
    assert listed(store, limit, since_ms=1_003_000, until_ms=1_004_000, **of) == [names[4], names[3]]
    assert listed(store, limit, until_ms=1_000_000, **of) == [names[0]]
    assert listed(store, limit, since_ms=1_005_000, **of) == [names[5]]
    assert listed(store, limit, since_ms=1_005_001, **of) == []


def test_what_ended_before_a_time_is_not_looked_at(store: Store) -> None:
    names = submit_many(store, MANY, "demo")
    end(store, *names)
    now_ms = int(store.raw("TIME")[0]) * 1000
    store.raw("CONFIG", "RESETSTAT")

    page = page_of(store, 10, service_id="echo", since_ms=now_ms + 60_000)

    assert (page.jobs, page.cursor) == ([], "")
    assert calls_of(store) < 600


def test_listed_jobs_know_their_queues(store: Store) -> None:
    store.submit("first")
    store.submit("second", queue=CPU_QUEUE)
    store.submit("third", queue=CPU_QUEUE)
    store.raw("HSET", line_key(CPU_QUEUE), "paused", 1)
    (job,) = store.take(1)
    store.run(give_back_command("w1", [(job.job_id, job.token)], "needs_newer_worker: wait"))

    found = {record.job_id: record for record in page_of(store, service_id="echo").jobs}

    assert [found[name].is_paused for name in ("first", "second", "third")] == [False, True, True]
    assert [found[name].position for name in ("first", "second", "third")] == [1, 1, 2]
    assert [found[name].queue_waits for name in ("first", "second")] == ["needs_newer_worker: wait", ""]
    for name, record in found.items():
        assert record == store.record(name)
    end(store, "first")
    assert page_of(store, service_id="echo", state="canceled").jobs[0].queue_waits == ""
