"""The answer that an example must get."""

from pathlib import Path
from typing import Any

import pytest

from athena.errors import ConfigError
from athena.protocol.golden import difference
from workers.runtime.golden import read_golden

SAME = [
    ({"text": {"text": "YQ=="}}, {"text": {"text": "YQ==", "seq": 0}, "more": {}}),
    (
        {"a": {"text": {"score": 0.999993, "all": [0.0, 1]}}},
        {"a": {"text": {"score": 0.99, "all": [0.0004, 1.0]}}},
    ),
]
OTHER = [
    ({"text": {"text": "YQ=="}}, {"text": {"text": "Yg=="}}, "/text/text"),
    ({"text": {"text": "YQ=="}}, {}, "/text"),
    ({"a": {"text": [1, 2]}}, {"a": {"text": [1, 2, 3]}}, "/a/text"),
    ({"a": {"text": [1, 2]}}, {"a": {"text": [1, float("nan")]}}, "/a/text/1"),
    ({"a": {"text": True}}, {"a": {"text": 1}}, "/a/text"),
    ({"a": {"text": 7}}, {"a": {"text": "7"}}, "/a/text"),
]


@pytest.mark.parametrize(("golden", "found"), SAME)
def test_answers_agree(golden: Any, found: Any) -> None:
    assert difference(golden, found) == ""


@pytest.mark.parametrize(("golden", "found", "place"), OTHER)
def test_place_where_answers_differ_is_named(golden: Any, found: Any, place: str) -> None:
    assert difference(golden, found) == place


def test_file_need_not_be_there_and_may_be_of_another_form(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text('{"words": ["a", "b"]}')
    (tmp_path / "answer.json").write_text('{"text": {"text": "YQ=="}}')

    assert read_golden(tmp_path / "golden.json") is None
    assert read_golden(tmp_path / "words.json") is None
    assert read_golden(tmp_path / "answer.json") == {"text": {"text": "YQ=="}}


def test_file_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text("{")

    with pytest.raises(ConfigError, match=r"golden\.json cannot be read: .*; mend it, or take it away"):
        read_golden(tmp_path / "golden.json")
