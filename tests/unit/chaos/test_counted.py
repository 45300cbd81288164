"""The comparison of metrics with records finds what is wrong, and nothing else."""

import pytest

from athena.store.books.counts import Counts, Queue, Survey
from tests.chaos.counted import differences

STATES = {"a": "succeeded", "b": "succeeded", "c": "failed"}


def survey(given_in: int = 3, **ends: int) -> Survey:
    counts = Counts({"end": {(state, "cpu"): count for state, count in ends.items()}})
    return Survey("ledger", counts, (Queue("ledger.any", 0, 0.0, False, given_in),), 0, 0, 0, 0)


def test_equal_numbers_are_right() -> None:
    assert differences(STATES, survey(succeeded=2, failed=1)) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (survey(succeeded=1, failed=1), "1 jobs are counted as succeeded, 2 are recorded so"),
        (survey(succeeded=2, failed=1, expired=1), "1 jobs are counted as expired, 0 are recorded so"),
        (survey(4, succeeded=2, failed=1), "4 jobs are counted as accepted, 3 are recorded"),
    ],
)
def test_wrong_number_is_told(found: Survey, words: str) -> None:
    assert differences(STATES, found) == [f"ledger: {words}"]
