"""Versions beside each other, in a real Redis: one request runs once, and quotas count together."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from athena.access.quotas import Quota, QuotaBook
from athena.errors import ConfigError, NotFoundError
from athena.fleet.traffic_split import TrafficSplit
from athena.operations.audit import look
from athena.operations.listing import JobFilter, list_jobs
from athena.operations.queues import forget_ability
from athena.operations.quotas import set_quota, usage_of
from athena.operations.steps import run_steps
from athena.operations.traffic import list_splits, roll_back, share_traffic
from athena.protocol.interface import Interface, Limits
from athena.store.books.accounts import decode_account
from athena.store.fencing import sweep_command
from athena.store.keys import ABILITIES, account_key
from athena.store.submission import find_command, found_jobs

from .conftest import Store

pytestmark = pytest.mark.redis

SIDE = {"service_id": "echo@v2", "queue": "echo@v2.any"}


@pytest.fixture
def both(store: Store) -> Iterator[Store]:
    """A Redis in which two versions are registered; its jobs are ended."""
    for name in ("echo", "echo@v2"):
        interface = Interface(name, "v1", "", (), (), (), ("cpu",), True, Limits())
        store.raw("HSET", ABILITIES, name, interface.encode())
    yield store
    for name in ("echo@v2", "echo"):
        with contextlib.suppress(NotFoundError):
            run_steps(forget_ability(name, force=True), store.run)


def quota(**limits: Any) -> str:
    """Returns what a job of the app `shop` is sent with, to whichever version."""
    book = QuotaBook(True)
    book.replace([("shop", "echo", Quota(**limits))])
    assert book.find("shop", "echo@v2") == book.find("shop", "echo")
    return book.find("shop", "echo@v2")


def open_of_shop(store: Store) -> tuple[float, float]:
    account = decode_account(store.raw("HGET", account_key("shop"), "echo"))
    return account.open, account.bytes


def test_request_that_is_repeated_after_a_rollback_runs_once(both: Store) -> None:
    same = {"request_id": "r1", "body_hash": "h"}
    assert both.submit("j1", **SIDE, **same) == [b"accepted"]

    assert both.submit("j2", **same) == [b"attached", b"j1", b"queued"]
    assert both.submit("j3", request_id="r1", body_hash="other")[0] == b"conflict"
    (found,) = found_jobs(both.run(find_command("r1")))
    assert (found.service_id, found.job_id) == ("echo", "j1")


def test_request_that_is_repeated_once_there_is_a_share_runs_once(both: Store) -> None:
    same = {"request_id": "r1", "body_hash": "h"}
    assert both.submit("j1", **same) == [b"accepted"]

    assert both.submit("j2", **SIDE, **same) == [b"attached", b"j1", b"queued"]


def test_quota_of_an_ability_counts_all_versions(both: Store) -> None:
    text = quota(jobs=2)
    assert both.submit("j1", quota=text, app_id="shop")[0] == b"accepted"
    assert both.submit("j2", quota=text, app_id="shop", **SIDE)[0] == b"accepted"

    refused = [
        both.submit(name, quota=text, app_id="shop", **more)[0] for name, more in (("j3", {}), ("j4", SIDE))
    ]
    assert refused == [b"quota", b"quota"]
    assert both.raw("HGET", account_key("shop"), "echo@v2") is None
    # Janitors and audits count all of them, and find nothing to mend.
    for name in ("echo", "echo@v2"):
        both.run(sweep_command(name, [f"{name}.any"], 60, 60, True))
    assert open_of_shop(both) == (2, 2000)
    assert run_steps(look(), both.run).differences == []
    run_steps(forget_ability("echo@v2", force=True), both.run)
    assert open_of_shop(both) == (1, 1000)
    (used,) = run_steps(usage_of(both_time(both), 1, "shop"), both.run)
    assert (used["service_id"], used["jobs"]) == ("echo", {"canceled": 1})


def both_time(store: Store) -> float:
    seconds, _ = store.raw("TIME")
    return float(seconds)


def test_quota_of_one_version_is_refused(both: Store) -> None:
    with pytest.raises(ConfigError, match="all versions of an ability count together: name echo"):
        run_steps(set_quota("shop", "echo@v2", Quota(jobs=1)), both.run)


def test_jobs_of_an_ability_are_those_of_all_versions(both: Store) -> None:
    both.submit("j1")
    both.submit("j2", **SIDE)

    def listed(**wanted: Any) -> list[str]:
        return sorted(job.job_id for job in run_steps(list_jobs(JobFilter(**wanted), 10), both.run).jobs)

    assert listed(service_id="echo") == listed(service_id="echo", app_id="demo") == ["j1", "j2"]
    assert listed(service_id="echo@v2") == listed(service_id="echo@v2", app_id="demo") == ["j2"]


def test_share_is_set_and_taken_back(both: Store) -> None:
    split = TrafficSplit({"v2": 5})
    run_steps(share_traffic("echo", split), both.run)
    assert run_steps(list_splits(), both.run) == {"echo": split}

    for _ in range(2):
        # Who types it twice in a hurry is not told off.
        run_steps(roll_back("echo"), both.run)
        assert run_steps(list_splits(), both.run) == {}


def test_share_of_what_is_not_there_is_refused(both: Store) -> None:
    for service_id, version, detail in (
        ("ecko", "v2", "there is no ability 'ecko'; there are: echo"),
        ("echo@v2", "v2", "name the ability, echo"),
        ("echo", "v3", "no worker has told of echo@v3; beside echo there are: echo@v2"),
    ):
        with pytest.raises(NotFoundError, match=detail):
            run_steps(share_traffic(service_id, TrafficSplit({version: 5})), both.run)
    with pytest.raises(NotFoundError, match="there is no ability 'ecko'"):
        run_steps(roll_back("ecko"), both.run)
    assert run_steps(list_splits(), both.run) == {}


def test_main_version_has_no_share_of_its_own(both: Store) -> None:
    interface = Interface("echo", "v7", "", (), (), (), ("cpu",), True, Limits())
    both.raw("HSET", ABILITIES, "echo", interface.encode())

    for version in ("v1", "v7"):
        told = f"{version} is the main version of echo, .*abilities rollback echo"
        with pytest.raises(NotFoundError, match=told):
            run_steps(share_traffic("echo", TrafficSplit({version: 5.0})), both.run)


def test_version_that_is_forgotten_has_no_share_when_it_comes_back(both: Store) -> None:
    run_steps(share_traffic("echo", TrafficSplit({"v2": 5}, {"partner": "v2"})), both.run)

    run_steps(forget_ability("echo@v2"), both.run)
    assert run_steps(list_splits(), both.run) == {}
