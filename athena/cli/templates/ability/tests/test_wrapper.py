"""Tests of the ability ${name}: python -m pytest"""

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
sys.path.insert(0, str(FOLDER))

from wrapper import NO_TEXT, Wrapper  # noqa: E402

from athena.cli import main  # noqa: E402
from athena.sdk import DataListCls, DataListNode  # noqa: E402


@pytest.fixture
def wrapper():
    loaded = Wrapper()
    assert loaded.wrapperInit({}) == 0
    yield loaded
    loaded.wrapperFini()


def ask(wrapper, text, **params):
    inputs = DataListCls([DataListNode("text", text)])
    return wrapper.wrapperOnceExec({"sid": "test", **params}, inputs)


def test_words_are_counted(wrapper):
    response = ask(wrapper, b"to be or not", upper="true")

    (answer,) = response.list
    assert answer.key == "result"
    assert json.loads(answer.data) == {"count": 4, "words": ["TO", "BE", "OR", "NOT"]}


def test_no_text_is_an_error(wrapper):
    response = ask(wrapper, b"")

    assert response.error_code == NO_TEXT
    assert "empty" in wrapper.wrapperError(NO_TEXT)


def test_the_contract_is_kept():
    assert main(["check", str(FOLDER)]) == 0
