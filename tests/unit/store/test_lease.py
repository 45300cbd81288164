"""What Redis says of the outcomes that workers tell it."""

import pytest

from athena.store.lease import ENDED_ELSEWHERE, FINISHED, FinishFailed, FinishVerdict, finished_jobs


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        (1, FINISHED),
        (0, ENDED_ELSEWHERE),
        (b"WRONGTYPE of \xff", FinishFailed("WRONGTYPE of \ufffd")),
        (7, FinishFailed("the script answered 7")),
    ],
)
def test_each_word_of_the_script_is_a_verdict(word: int | bytes, verdict: FinishVerdict) -> None:
    assert finished_jobs([word]) == [verdict]
