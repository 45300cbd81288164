"""What callers are told whose jobs were not taken."""

from typing import Any

import pytest

from athena.errors import NotFoundError, QueueFullError, RequestIdConflictError, StoreError
from athena.operations.refusals import refusal_of
from athena.store.submission import Submission
from athena.store.verdicts import (
    Conflict,
    InputsLost,
    LetterGone,
    QueueFull,
    QueueHeavy,
    Refused,
    SubmitFailed,
)

JOB = Submission(
    job_id="j2",
    service_id="echo",
    queue="echo.any",
    message=b"",
    app_id="",
    request_id="r1",
    body_hash="",
    gateway="",
    abandonable=False,
    claim=False,
    bytes=300,
    max_queue_jobs=9,
    max_open_bytes=1500,
    max_queue_s=60,
    result_ttl_s=60,
    record_ttl_s=60,
)


@pytest.mark.parametrize(
    ("verdict", "more", "error", "message", "retry_after_s"),
    [
        (QueueFull(9), {}, QueueFullError, "the queue of echo holds 9 jobs; it takes no more for now", 18),
        (
            QueueHeavy(1400),
            {},
            QueueFullError,
            "the queue of echo and its workers hold 1400 bytes, and 300 more are over the limit; "
            "it takes no more for now",
            18,
        ),
        (
            Conflict("j1"),
            {},
            RequestIdConflictError,
            "request_id 'r1' belongs to job j1, whose body differs",
            None,
        ),
        (
            Conflict("j1"),
            {"retry_of": "j0"},
            RequestIdConflictError,
            "request_id 'r1' belongs to job j1",
            None,
        ),
        (InputsLost(), {}, StoreError, "the inputs were lost on their way into Redis; try again", 1),
        (
            LetterGone(),
            {"retry_of": "j0"},
            NotFoundError,
            "there is no dead letter 'j0'; it expired, was dropped, or was tried again",
            None,
        ),
        (SubmitFailed("OOM"), {}, StoreError, "Redis refused the job: OOM", 1),
    ],
)
def test_refusal_says_why_and_when_to_come_again(
    verdict: Refused,
    more: dict[str, Any],
    error: type[Exception],
    message: str,
    retry_after_s: int | None,
) -> None:
    refusal = refusal_of(verdict, JOB._replace(**more), lambda service_id, jobs: 2 * jobs)

    assert type(refusal) is error
    assert refusal.message == message
    assert refusal.retry_after_s == retry_after_s


def test_other_job_is_named_to_those_alone_who_may_ask_for_it() -> None:
    refusal = refusal_of(Conflict("j1"), JOB, names_others=False)

    assert refusal.message == "request_id 'r1' belongs to a job, whose body differs"
