"""Texts that wrappers have written, as lines that everybody can read."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.plain_text import MAX_CHARS, class_name, one_line, plain_line, plain_lines, text_of, with_causes


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("too dark", "too dark"),
        ("too\n\tdark\r\n", "too dark"),
        ("日本 😀 é", "日本 😀 é"),
        ("half \ud83d", "half \\ud83d"),
        ("\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("next\u2028line", "next line"),
    ],
)
def test_a_text_becomes_one_line(text: str, line: str) -> None:
    assert plain_line(text) == line


def test_a_long_text_is_cut_and_counted() -> None:
    assert plain_line("x" * 20_000_000, 10) == "xxxxxxxxxx… (20000000 characters)"
    assert plain_line("x" * 11, 10) == "xxxxxxxxxx… (11 characters)"
    assert plain_line("x" * 10, 10) == "xxxxxxxxxx"


def test_of_a_long_record_the_beginning_and_the_end_are_kept() -> None:
    assert plain_lines("a\nb\x1b", 10) == "a\nb\\x1b"
    assert plain_lines("begin" + "x" * 90 + "ended", 10) == "begin\n… 90 characters …\nended"


#: Drawn of all characters, these come too seldom, and `st.text` draws no surrogates.
UNFIT = "\x00\x1b\x7f\r\u2028\u202e\u2066\ud83d\udc00"


TEXTS = st.lists(st.characters(categories=None) | st.sampled_from(UNFIT)).map("".join)


@given(TEXTS)
def test_any_text_can_be_written(text: str) -> None:
    for written in (plain_line(text), plain_lines(text, MAX_CHARS)):
        assert orjson.loads(orjson.dumps(written)) == written
        assert json.loads(json.dumps(written)) == written
        assert not any(character in written for character in UNFIT)


class Mute(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value]


class Leaves(BaseException):
    def __str__(self) -> str:
        raise SystemExit(3)


class Shell(str):
    def __len__(self) -> int:
        raise RuntimeError

    def __getitem__(self, key: object) -> str:
        raise RuntimeError

    def split(self, *_: object) -> list[str]:
        raise RuntimeError


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


class Anonymous(Exception, metaclass=Nameless):
    pass


class Endless(Exception):
    def __str__(self) -> str:
        return str(self)


def test_an_exception_says_what_it_is_whatever_it_does() -> None:
    assert one_line(ValueError("too\ndark")) == "ValueError: too dark"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(Mute()) == "Mute: Mute whose text cannot be had (TypeError)"
    assert one_line(Leaves()) == "Leaves: Leaves whose text cannot be had (SystemExit)"
    assert one_line(ValueError(Shell("shell"))) == "ValueError: shell"
    assert one_line(Anonymous("x")) == "Anonymous: x"
    assert "RecursionError" in one_line(Endless())


def test_a_value_has_a_text() -> None:
    assert text_of(10909) == "10909"
    assert text_of(10**5000) == "int whose text cannot be had (ValueError)"
    assert class_name(type("a\x1b", (), {})()) == "a\\x1b"


def test_causes_are_told_in_their_order() -> None:
    try:
        try:
            raise KeyError("weights")
        except KeyError as error:
            raise RuntimeError("no model") from error
    except RuntimeError as error:
        caught: BaseException = error

    assert with_causes(caught) == "RuntimeError: no model, caused by KeyError: 'weights'"
    caught.__cause__ = caught
    assert with_causes(caught) == "RuntimeError: no model"
    # What was only handled meanwhile is no cause.
    caught.__cause__, caught.__context__ = None, ValueError("other")
    assert with_causes(caught) == "RuntimeError: no model"


def test_places_in_memory_are_left_out() -> None:
    error = TypeError(f"cannot use {object()!r} here")

    assert one_line(error) == "TypeError: cannot use <object> here"
