"""How jobs end that came to nothing, and what their callers are told."""

import pytest

from athena.errors import AthenaError, CanceledError, ExpiredError, Problem, RequestError
from athena.protocol.enums import JobState
from workers.batching.outcomes import outcome_of_error

PROBLEMS = (Problem("/header", "is missing"), Problem("", "is too long"))


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (CanceledError("canceled"), JobState.CANCELED, "canceled"),
        (ExpiredError("too late"), JobState.EXPIRED, "too late"),
        (RequestError("no"), JobState.FAILED, "no"),
        (RequestError("no", problems=PROBLEMS[:1]), JobState.FAILED, "no: /header is missing"),
        (RequestError("no", problems=PROBLEMS), JobState.FAILED, "no: /header is missing (and 1 more)"),
        (RequestError("no", problems=PROBLEMS[1:]), JobState.FAILED, "no: / is too long"),
    ],
)
def test_error_is_state_code_and_one_sentence(error: AthenaError, state: JobState, message: str) -> None:
    outcome = outcome_of_error(error)

    assert (outcome.state, outcome.code, outcome.message) == (state, error.code, message)
    assert outcome.batch_size == 0
