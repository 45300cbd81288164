"""Whether two answers are one."""

from typing import Any

import pytest

from tests.models.nearness import is_near

RIGHT = {
    "text": "hello",
    "scores": [100.0, 0.5],
    "rows": [[1.0], [2]],
    "size": 3,
    "none": None,
    "score": 0.25,
}


@pytest.mark.parametrize(
    ("found", "is_one"),
    [
        ({}, True),
        ({"scores": [100.05, 0.45]}, True),
        ({"scores": [100.0, 0.7]}, False),
        ({"scores": [100.0]}, False),
        ({"score": 0.2509}, True),
        ({"score": 0.2511}, False),
        ({"score": float("nan")}, False),
        ({"rows": [[1.0005], [2]]}, True),
        ({"rows": [[1.1], [2]]}, False),
        ({"rows": [[1.0], [3]]}, False),
        ({"rows": [[1.0], 2]}, False),
        ({"rows": "[[1.0], [2]]"}, False),
        ({"size": 4}, False),
        ({"size": 3.0}, False),
        ({"text": "hallo"}, False),
        ({"none": 0}, False),
        ({"more": 1}, False),
    ],
)
def test_answer_is_near(found: dict[str, Any], is_one: bool) -> None:
    assert is_near({**RIGHT, **found}, RIGHT, 0.001) is is_one


def test_answers_without_a_tolerance_are_equal() -> None:
    assert is_near(RIGHT, RIGHT, 0.0)
    assert not is_near({**RIGHT, "score": 0.25 + 1e-12}, RIGHT, 0.0)
    assert not is_near({key: value for key, value in RIGHT.items() if key != "size"}, RIGHT, 1.0)
    assert not is_near(None, RIGHT, 1.0)
