"""Which jobs share a call; no threads."""

from athena.jobs.message import make_message
from athena.protocol.enums import JobState
from workers.batching.batches import Batches
from workers.batching.jobs import BatchJob


def job(job_id: str, **given: bool | float) -> BatchJob:
    message, _ = make_message(job_id, "echo", {}, [], {}, 1)
    return BatchJob(job_id, message, **given)  # type: ignore[arg-type]


def batches(*jobs: BatchJob, max_batch: int = 3) -> Batches:
    """Jobs whose key is the first letter of their ids; those of `x` have none."""
    made = Batches(max_batch, lambda message: None if message.job_id[0] == "x" else message.job_id[0])
    for item in jobs:
        made.line.append(item)
    return made


def taken(made: Batches) -> list[list[str]]:
    found = []
    while batch := made.take():
        found.append([item.job_id for item in batch])
    return found


def test_neighbours_of_one_key_share_a_call_up_to_a_batch() -> None:
    made = batches(*map(job, ("a1", "a2", "a3", "a4", "b1", "a5", "x1", "x2")))

    assert taken(made) == [["a1", "a2", "a3"], ["a4"], ["b1"], ["a5"], ["x1"], ["x2"]]


def test_job_that_runs_alone_shares_its_call_with_nobody() -> None:
    made = batches(job("a1"), job("a2", runs_alone=True), job("a3"))

    assert taken(made) == [["a1"], ["a2"], ["a3"]]


def test_company_is_worth_a_wait_only_for_those_who_may_have_it() -> None:
    assert batches(job("a1")).may_grow
    assert not batches(job("x1")).may_grow
    assert not batches(job("a1", runs_alone=True)).may_grow


def test_what_nobody_wants_is_dropped_up_to_the_first_that_somebody_does() -> None:
    late, canceled, wanted, behind = (job(name) for name in ("a1", "a2", "a3", "a4"))
    late.start_by_s, canceled.is_canceled, behind.is_lost = 1.0, True, True
    made = batches(late, canceled, wanted, behind)

    dropped = [(item.job_id, outcome.state) for item, outcome in made.drop_unwanted(2.0)]

    assert dropped == [("a1", JobState.EXPIRED), ("a2", JobState.CANCELED)]
    assert list(made.line) == [wanted, behind]
