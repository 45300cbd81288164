"""Examples that gateways send themselves: nobody's jobs, sent by one gateway at a time."""

from collections.abc import Callable

import pytest

from athena.fleet.canary import NO_REPORT, CanaryReport
from athena.jobs.record import Outcome
from athena.operations.audit import look
from athena.operations.canaries import claim_turn, end_turn, read_reports
from athena.operations.jobs import cancel_jobs
from athena.operations.listing import JobFilter, list_jobs
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from athena.store.keys import (
    ABILITIES,
    CANARIES,
    DEAD,
    canary_key,
    ended_key,
    job_key,
    message_key,
    open_key,
    payload_key,
)

from .conftest import Store, failed, succeeded

pytestmark = pytest.mark.redis


def submit(store: Store, job_id: str = "c1") -> None:
    store.raw("HSET", ABILITIES, "echo", "{}")
    store.put_payload(job_id, b"inputs")
    verdict = store.submit(job_id, is_canary=True, abandonable=True, app_id="", claim=True, gateway="g1")
    assert verdict == [b"accepted"]


def listed(store: Store) -> list[str]:
    return [record.job_id for record in run_steps(list_jobs(JobFilter(), 100), store.run).jobs]


def finish(store: Store, outcome: Outcome) -> None:
    (job,) = store.take()
    assert store.finish(job.job_id, job.token, outcome) == 1


def expire(store: Store) -> None:
    store.raw("HSET", job_key("c1"), "expires_ms", 1)
    store.read("c1")
    # Its message is found in the queue later.
    assert store.take() == []


def kill(store: Store) -> None:
    for number in range(2, 5):
        (job,) = store.take(incarnation=f"w{number - 1}")
        store.fence(job.job_id, incarnation=f"w{number - 1}")
        store.register(f"w{number}")


ENDS: dict[JobState, Callable[[Store], object]] = {
    JobState.SUCCEEDED: lambda store: finish(store, succeeded()),
    JobState.FAILED: lambda store: finish(store, failed()),
    JobState.CANCELED: lambda store: run_steps(cancel_jobs(["c1"]), store.run),
    JobState.EXPIRED: expire,
    JobState.POISONED: kill,
}


@pytest.mark.parametrize("state", ENDS)
def test_canary_is_in_no_list_and_nothing_of_it_is_kept(store: Store, state: JobState) -> None:
    submit(store)
    store.submit("j1")
    assert listed(store) == ["j1"]
    run_steps(cancel_jobs(["j1"]), store.run)

    ENDS[state](store)

    assert store.state("c1") is state
    assert listed(store) == ["j1"]
    assert not store.exists(DEAD) and not store.exists(payload_key("c1"))
    assert store.raw("ZSCORE", ended_key("echo"), "c1") is None
    assert not store.exists(open_key("echo"))
    assert store.pttl(job_key("c1")) > 0
    if state is not JobState.EXPIRED:
        assert not store.exists(message_key("c1"))
    found = run_steps(look(), store.run)
    assert [item for item in found.differences if item.job_id == "c1"] == []


def test_one_gateway_sends_it_and_all_hear_of_it(store: Store) -> None:
    def claims(gateway: str) -> bool:
        return run_steps(claim_turn("echo", gateway, 60), store.run)

    assert [claims("g1"), claims("g2"), claims("g1")] == [True, False, False]

    report = NO_REPORT.followed_by(5, 1.5, "wrong")
    run_steps(end_turn("echo", report, 30), store.run)
    raw = run_steps(read_reports(), store.run)
    assert CanaryReport.decode(raw[b"echo"]) == report
    assert 0 < store.pttl(canary_key("echo")) <= 30_000

    # What is not known changes nothing; the next one is due.
    run_steps(end_turn("echo", None, 0), store.run)
    assert run_steps(read_reports(), store.run) == raw
    store.raw("DEL", canary_key("echo"))
    assert claims("g2")
    store.raw("DEL", CANARIES, canary_key("echo"))
