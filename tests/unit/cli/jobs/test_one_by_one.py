"""What is done of several things, each for itself."""

import pytest

from athena.cli.jobs.one_by_one import one_by_one
from athena.errors import NotFoundError, StoreError


def step(name: str) -> str:
    """Does what a name says."""
    if name == "nobody":
        raise NotFoundError("there is no nobody")
    if name == "away":
        raise StoreError("Redis does not answer")
    return name.upper()


def test_what_was_done_is_shown_before_the_last_refusal_is_raised(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = one_by_one(["a", "nobody", "b", "nobody", "a"], step)

    with pytest.raises(NotFoundError, match="there is no nobody"):
        outcome.show(lambda: print(outcome.done))

    assert capsys.readouterr().out == "{'a': 'A', 'b': 'B'}\n"


def test_nothing_is_shown_where_nothing_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotFoundError):
        one_by_one(["nobody"], step).show(lambda: print("a table"))

    assert capsys.readouterr().out == ""


def test_what_follows_is_not_tried_where_nobody_answers() -> None:
    outcome = one_by_one(["a", "away", "b"], step)

    assert outcome.done == {"a": "A"} and len(outcome.refused) == 1


def test_all_refusals_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoreError):
        one_by_one(["nobody", "away"], step).show(lambda: print("a table"))

    assert capsys.readouterr().err == "athena: there is no nobody\n"
