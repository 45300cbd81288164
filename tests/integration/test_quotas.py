"""Quotas in a real Redis: what is refused, what is counted, and that no count leaks."""

import json
import random
import struct
import time
from dataclasses import asdict
from typing import Any

import pytest

from athena.access.quotas import Quota, QuotaBook
from athena.cli import main
from athena.jobs.record import Outcome
from athena.operations.audit import look, look_again
from athena.operations.jobs import cancel_jobs
from athena.operations.quotas import open_of, usage_of
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from athena.store.books.accounts import decode_account
from athena.store.books.audit import Difference
from athena.store.fencing import sweep_command
from athena.store.keys import ACCOUNTS, QUOTAS, account_key

from .conftest import Store, submission, succeeded

pytestmark = pytest.mark.redis


def quota(one: Quota | None = None, **limits: Any) -> str:
    """Returns what a job of the app `shop` is sent with."""
    book = QuotaBook(True)
    entries = [("shop", "", Quota(**limits))]
    if one is not None:
        entries.append(("shop", "echo", one))
    book.replace(entries)
    return book.find("shop", "echo")


def counts(store: Store) -> dict[str, int]:
    """Returns what the app has open, in all abilities."""
    found: dict[str, int] = run_steps(open_of(), store.run).get("shop", {})
    return {"open": 0, "queued": 0, "bytes": 0} | found


def counts_of(store: Store, app: str) -> dict[str, int]:
    return asdict(decode_account(store.raw("HGET", account_key(app), "")))


def open_here(store: Store, app: str = "shop") -> dict[str, int]:
    """Returns what an app has open in this ability."""
    return asdict(decode_account(store.raw("HGET", account_key(app), "echo")))


def spoil(store: Store, app: str, **counts: int) -> None:
    """Gives an app counts that are wrong, in this ability and in all."""
    raw = struct.pack("<7d", *(counts.get(what, 0) for what in ("open", "queued", "bytes")), -1, 0, 0, 0)
    store.raw("HSET", account_key(app), "", raw, "echo", raw)
    store.raw("SADD", ACCOUNTS, app)


def sweep(store: Store) -> None:
    store.run(sweep_command("echo", ["echo.any"], 60, 60, True))


def usage(store: Store) -> dict[str, Any]:
    (row,) = run_steps(usage_of(time.time(), 2, "shop"), store.run)
    return dict(row)


def end_all(store: Store) -> None:
    jobs = store.take(1000)
    store.finish_all(*((job.job_id, job.token, succeeded()) for job in jobs))


@pytest.mark.parametrize(
    ("limits", "accepted", "word"),
    [
        ({"jobs": 3}, 3, "jobs"),
        ({"queued_jobs": 2}, 2, "queued_jobs"),
        ({"bytes": 1000}, 2, "bytes"),
        ({"requests_per_s": 0.001, "burst": 4}, 4, "requests"),
    ],
)
@pytest.mark.parametrize("is_of_ability", [False, True])
def test_app_gets_no_more_than_its_quota(
    store: Store, limits: dict[str, Any], accepted: int, word: str, is_of_ability: bool
) -> None:
    text = quota(Quota(**limits)) if is_of_ability else quota(**limits)

    verdicts = [store.submit(f"j{number}", bytes=400, quota=text, app_id="shop") for number in range(8)]

    assert [verdict[0] for verdict in verdicts] == [b"accepted"] * accepted + [b"quota"] * (8 - accepted)
    assert verdicts[-1][1:3] == [b"ability" if is_of_ability else b"app", word.encode()]
    assert counts(store) == {"open": accepted, "queued": accepted, "bytes": 400 * accepted}
    # Another app has its own.
    assert store.submit("other")[0] == b"accepted"
    end_all(store)
    assert counts(store) == {"open": 0, "queued": 0, "bytes": 0}


def test_jobs_of_one_command_are_counted_one_after_the_other(store: Store) -> None:
    text = quota(jobs=3)
    jobs = [submission(f"j{number}", quota=text, app_id="shop") for number in range(5)]
    words = [raw.split(b" ")[0] for raw in store.submit_all(*jobs)]

    assert words == [b"accepted"] * 3 + [b"quota"] * 2
    end_all(store)


def test_taken_job_waits_no_more_and_one_that_goes_back_does(store: Store) -> None:
    text = quota(queued_jobs=1)
    store.submit("a", quota=text, app_id="shop", bytes=10)
    assert store.submit("b", quota=text, app_id="shop")[0] == b"quota"

    (job,) = store.take()
    assert counts(store) == {"open": 1, "queued": 0, "bytes": 10}
    store.give_back(job)
    assert counts(store)["queued"] == 1
    (job,) = store.take()
    store.fence(job.job_id)
    assert counts(store)["queued"] == 1
    store.register()
    end_all(store)
    assert counts(store) == {"open": 0, "queued": 0, "bytes": 0}


def test_bucket_fills_with_time(store: Store) -> None:
    text = quota(requests_per_s=50, burst=1)
    assert store.submit("a", quota=text, app_id="shop")[0] == b"accepted"

    number, deadline_s = 0, time.monotonic() + 30
    while store.submit(f"n{number}", quota=text, app_id="shop")[0] != b"accepted":
        number += 1
        assert time.monotonic() < deadline_s
    end_all(store)


def test_caller_is_told_what_is_left(store: Store) -> None:
    text = quota(requests_per_s=0.5, burst=3)
    told = [store.submit(f"j{number}", quota=text, app_id="shop") for number in range(4)]

    assert told[0] == [b"accepted", b"app", b"3", b"0.5", b"2"]
    assert told[2] == [b"accepted", b"app", b"3", b"0.5", b"0"]
    assert told[3][:4] == [b"quota", b"app", b"requests", b"0.5/3"]
    assert 0 < int(told[3][4]) <= 2000
    end_all(store)


def test_repeated_request_counts_as_a_request_and_makes_no_job(store: Store) -> None:
    text = quota(requests_per_s=0.001, burst=2, jobs=1)
    fixed = {"quota": text, "app_id": "shop", "request_id": "r", "body_hash": "h"}
    assert store.submit("a", **fixed)[0] == b"accepted"
    assert store.submit("b", **fixed)[0] == b"attached"
    assert store.submit("c", **fixed)[0] == b"quota"

    assert counts(store)["open"] == 1
    end_all(store)


def test_seconds_of_devices_are_shared_by_a_call_and_end_the_day(store: Store) -> None:
    text = quota(device_s_a_day=1)
    for name in ("a", "b"):
        store.submit(name, quota=text, app_id="shop")
    jobs = store.take()
    outcome = Outcome(JobState.SUCCEEDED, b"{}", exec_ms=2000, batch_size=2)
    store.finish_all(*((job.job_id, job.token, outcome) for job in jobs))

    assert usage(store)["device_s"] == {"cpu": 2.0}
    verdict = store.submit("c", quota=text, app_id="shop")
    assert verdict[:4] == [b"quota", b"app", b"device_s_a_day", b"1"]
    assert 0 < int(verdict[4]) <= 86_400_000


def test_use_is_noted_by_app_and_ability(store: Store) -> None:
    text = quota(jobs=2)
    for name in ("a", "b", "c"):
        store.submit(name, quota=text, app_id="shop", bytes=100)
    run_steps(cancel_jobs(["a"]), store.run)
    end_all(store)

    used = usage(store)
    assert (used["app_id"], used["service_id"]) == ("shop", "echo")
    assert (used["requests"], used["refused"], used["bytes"]) == (3, 1, 200)
    assert used["jobs"] == {"canceled": 1, "succeeded": 1}


def test_job_without_a_quota_is_not_counted(store: Store) -> None:
    store.submit("a", app_id="shop")
    end_all(store)

    assert not store.exists(ACCOUNTS)
    assert run_steps(usage_of(time.time(), 2), store.run) == []


@pytest.mark.spoils_keys
@pytest.mark.parametrize("harm", ["lost", "too many", "unreadable", "of a dead version"])
def test_sweep_counts_anew(store: Store, harm: str) -> None:
    text = quota(jobs=10)
    for name in ("a", "b", "c"):
        store.submit(name, quota=text, app_id="shop", bytes=7)
    store.take(1)
    if harm == "lost":
        store.raw("DEL", account_key("shop"), ACCOUNTS)
    elif harm == "too many":
        spoil(store, "shop", open=8, queued=2, bytes=21)
        spoil(store, "gone", queued=5)
    elif harm == "unreadable":
        store.raw("HSET", account_key("shop"), "", "nonsense", "echo", "")
    else:
        spoil(store, "shop", open=3, queued=-3, bytes=21)

    sweep(store)

    assert open_here(store) == counts(store) == {"open": 3, "queued": 2, "bytes": 21}
    assert open_here(store, "gone") == {"open": 0, "queued": 0, "bytes": 0}


@pytest.mark.spoils_keys
def test_key_of_a_wrong_kind_keeps_no_job_from_its_end(store: Store) -> None:
    store.submit("a", quota=quota(jobs=10), app_id="shop")
    (job,) = store.take()
    store.raw("SET", account_key("shop"), "no hash")

    assert store.finish(job.job_id, job.token) == 1
    assert store.submit("b", quota=quota(jobs=10), app_id="shop")[0] == b"failed"
    assert store.submit("c")[0] == b"accepted"


@pytest.mark.parametrize("seed", range(12))
def test_counts_are_those_of_the_records_whatever_happens(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    text = quota(Quota(queued_jobs=9), jobs=12, bytes=4000)
    held: list[Any] = []
    for number in range(120):
        what = chance.choice(["submit", "submit", "take", "finish", "fail", "give back", "cancel", "fence"])
        if what == "submit":
            size = chance.randrange(1, 500)
            store.submit(f"{seed}.{number}", quota=text, app_id="shop", bytes=size)
        elif what == "take":
            held += store.take(chance.randrange(1, 4))
        elif what == "cancel":
            run_steps(cancel_jobs([f"{seed}.{chance.randrange(number + 1)}"]), store.run)
        elif what == "fence":
            store.fence(*[job.job_id for job in held[:1]])
            store.register()
            held = []
        elif held:
            job = held.pop(chance.randrange(len(held)))
            if what == "give back":
                store.give_back(job)
            else:
                failed = Outcome(JobState.FAILED, code=10909)
                store.finish(job.job_id, job.token, succeeded() if what == "finish" else failed)
        before = counts(store)
        if number % 10 == 0:
            assert audited(store) == [], (number, what)
        sweep(store)
        assert counts(store) == before, (number, what)
        assert before["open"] <= 12 and before["queued"] <= 12 and before["bytes"] <= 4000
    store.fence()
    store.register()
    end_all(store)
    assert counts(store) == {"open": 0, "queued": 0, "bytes": 0}


def audited(store: Store) -> list[Difference]:
    return run_steps(look(), store.run).differences


def metered(store: Store) -> None:
    """Has the app `shop` two jobs open, one of them held."""
    store.register()
    for job_id in ("a", "b"):
        store.submit(job_id, quota=quota(jobs=9), app_id="shop", bytes=70)
    store.take(1)


RIGHT = "open 2, queued 1, bytes 140"


def test_audit_finds_counts_that_are_wrong_and_sets_them_right(store: Store) -> None:
    metered(store)
    assert audited(store) == []
    spoil(store, "shop", open=5, queued=1, bytes=140)
    spoil(store, "gone", open=1)

    found = audited(store)

    assert sorted(found) == [
        Difference("", "quota", "echo gone", "open 1, queued 0, bytes 0", "open 0, queued 0, bytes 0"),
        Difference("", "quota", "echo shop", "open 5, queued 1, bytes 140", RIGHT),
    ]
    assert sorted(run_steps(look_again(found, False, 60), store.run)) == sorted(found), (
        "a look changes nothing"
    )
    assert sorted(run_steps(look_again(found, True, 60), store.run)) == sorted(found)
    assert audited(store) == []
    assert counts(store) == open_here(store) == {"open": 2, "queued": 1, "bytes": 140}
    assert counts_of(store, "gone") == {"open": 0, "queued": 0, "bytes": 0}


def test_audit_finds_a_sum_over_abilities_that_is_wrong(store: Store) -> None:
    metered(store)
    raw = store.raw("HGET", account_key("shop"), "")
    bucket = struct.unpack("<7d", raw)[3:]
    store.raw("HSET", account_key("shop"), "", struct.pack("<7d", 9, 9, 9, *bucket))

    found = audited(store)

    assert found == [Difference("", "quota", "* shop", "open 9, queued 9, bytes 9", RIGHT)]
    assert run_steps(look_again(found, True, 60), store.run) == found
    assert audited(store) == []
    # What is left of its requests is no count of jobs, and stays.
    assert struct.unpack("<7d", store.raw("HGET", account_key("shop"), ""))[3:] == bucket


def test_audit_counts_an_account_anew_that_was_lost(store: Store) -> None:
    metered(store)
    store.raw("DEL", account_key("shop"), ACCOUNTS)

    found = audited(store)

    assert found == [Difference("", "quota", "echo shop", "open 0, queued 0, bytes 0", RIGHT)]
    run_steps(look_again(found, True, 60), store.run)
    assert audited(store) == []
    assert counts(store) == {"open": 2, "queued": 1, "bytes": 140}


@pytest.fixture
def athena(redis_server: str, store: Store, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command on the server of the tests; returns its exit status and what it printed."""

    def call(*arguments: str) -> tuple[int, str]:
        status = main([*arguments, "--redis", redis_server])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return call


def test_operator_gives_lists_and_takes_quotas(athena: Any, store: Store) -> None:
    assert athena("quotas", "set", "shop", "--requests-per-s", "2.5", "--jobs", "7")[0] == 0
    athena("quotas", "set", "shop", "--ability", "echo", "--device-s-a-day", "60")
    athena("quotas", "set", "*")

    _, text = athena("quotas", "ls")
    assert "requests_per_s 2.5, jobs 7" in text
    assert "device_s_a_day 60" in text
    assert "only counted" in text
    assert athena("quotas", "rm", "shop", "--ability", "echo")[0] == 0
    status, text = athena("quotas", "rm", "shop", "--ability", "echo")
    assert status == 78 and "has no quota" in text
    _, text = athena("quotas", "ls", "--json")
    assert [item["app_id"] for item in json.loads(text)["quotas"]] == ["*", "shop"]
    assert store.raw("HLEN", QUOTAS) == 2


def test_limits_that_a_new_quota_has_not_are_told(athena: Any) -> None:
    athena("quotas", "set", "shop", "--requests-per-s", "2.5", "--burst", "9", "--jobs", "7")

    _, lost = athena("quotas", "set", "shop", "--jobs", "8")
    _, kept = athena("quotas", "set", "shop", "--jobs", "9")
    _, other = athena("quotas", "set", "shop", "--ability", "ecko", "--jobs", "1")

    assert lost == "jobs 8\nathena: no limit any more, for it was not named: requests_per_s 2.5, burst 9\n"
    assert kept == "jobs 9\n"
    assert "no ability 'ecko' was served here so far" in other and "any more" not in other


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["shop", "--jobs", "0"], "jobs must be above 0"),
        (["shop", "--burst", "5"], "burst needs requests_per_s"),
        (["x" * 51], "1 to 50"),
    ],
)
def test_quota_that_cannot_be_is_refused(athena: Any, words: list[str], wrong: str) -> None:
    status, text = athena("quotas", "set", *words)

    assert status == 78 and wrong in text


def test_use_is_shown(athena: Any, store: Store) -> None:
    assert "none" in athena("usage")[1]
    store.submit("a", quota=quota(jobs=2), app_id="shop", bytes=100)
    end_all(store)

    _, text = athena("usage", "--days", "2")
    assert "shop" in text and "succeeded 1" in text
    (row,) = json.loads(athena("usage", "--days", "2", "--json")[1])["usage"]
    assert (row["requests"], row["bytes"], row["day"][:2]) == (1, 100, "20")
