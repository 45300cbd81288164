"""Reading JSON around its long texts gives what orjson gives, for whatever is sent."""

import base64
import json
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http import long_texts
from api.http.long_texts import load_around_texts

PICTURE = base64.b64encode(bytes(range(256)) * 1024).decode()

#: Short ones, so that many forms are tried.
texts = st.binary(min_size=12, max_size=40).map(lambda data: base64.b64encode(data).decode())
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts | st.text(alphabet='ab\\":,{ é\n', max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


def outcome(load: Any, raw: bytes) -> Any:
    try:
        return load(raw)
    except orjson.JSONDecodeError as error:
        return str(error)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(values, st.sampled_from([None, 2]), st.booleans())
def test_any_document_is_read_as_orjson_reads_it(document: Any, indent: int | None, is_ascii: bool) -> None:
    raw = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode()

    with mock.patch.object(long_texts, "LONG_BYTES", 10):
        assert load_around_texts(raw) == orjson.loads(raw) == document


@settings(deadline=None, derandomize=True, max_examples=500)
@given(
    values, st.integers(0, 200), st.sampled_from([b"", b'"', b"\\", b"\x00", b"\xff", b":", b",", b"}", b"="])
)
def test_what_is_broken_is_refused_as_orjson_refuses_it(document: Any, place: int, put: bytes) -> None:
    raw = json.dumps(document).encode()
    place %= len(raw)
    broken = raw[:place] + put + raw[place + 1 :]

    with mock.patch.object(long_texts, "LONG_BYTES", 10):
        assert outcome(load_around_texts, broken) == outcome(orjson.loads, broken)


@pytest.mark.parametrize(
    "document",
    [
        {"payload": {"image": {"image": PICTURE, "status": 3}}},
        {"payload": {"one": {"image": PICTURE}, "other": {"image": PICTURE}}},
        {PICTURE: 1, "a": PICTURE},
        {"a": ["x", PICTURE, {"b": PICTURE}]},
        PICTURE,
        [PICTURE],
        {"a": PICTURE[:-1] + "!"},
        {"a": "é" + PICTURE},
        {"a": PICTURE, "rest": ["x" * 10] * 10_000},
        {"many": ["x"] * 300, "a": PICTURE},
        {"a": "\\" * 200_000},
    ],
)
def test_long_text_is_put_back_where_it_was(document: Any) -> None:
    for raw in (orjson.dumps(document), json.dumps(document, indent=4).encode()):
        assert load_around_texts(raw) == document


def test_escaped_quotes_are_looked_at_a_bounded_number_of_times() -> None:
    raw = orjson.dumps({"a": '"' * 500_000, "image": PICTURE})

    assert len(list(long_texts._long_texts(raw))) == 0
    assert load_around_texts(raw) == orjson.loads(raw)


def test_last_of_two_texts_of_one_name_counts() -> None:
    raw = b'{"a": "%s", "a": "%s"}' % (PICTURE.encode(), PICTURE[4:].encode())

    assert load_around_texts(raw) == {"a": PICTURE[4:]}


@pytest.mark.parametrize("before", ["", "x", 'a "word" in it', 'ends in one"', "\\", '\\"'])
def test_picture_is_not_read_character_by_character(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def loads(raw: bytes) -> Any:
        read.append(len(raw))
        return json.loads(raw)

    monkeypatch.setattr(orjson, "loads", loads)

    document = {"before": before, "image": PICTURE}
    assert load_around_texts(orjson.dumps(document)) == document
    assert len(read) == 1 and read[0] < 100
