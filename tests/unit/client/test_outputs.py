"""Answers become text, JSON and bytes."""

import base64
import gzip
from typing import Any

import pytest

from athena.client.abilities import KEPT_S, KnownShapes, shapes_of
from athena.client.exchange import Answer
from athena.client.outputs import Outputs, OutputShape, read_payload, read_plain

SHAPES = {
    "words": OutputShape(is_text=True),
    "boxes": OutputShape(is_text=True, is_json=True),
    "drawing": OutputShape(is_text=False),
}


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_plain_answer_is_read_by_what_is_declared() -> None:
    document = {"words": "aGk=", "boxes": {"a": 1}, "drawing": packed(b"\x89PNG"), "odd": "aGk="}

    assert read_plain(document, SHAPES) == {
        "words": "aGk=",
        "boxes": {"a": 1},
        "drawing": b"\x89PNG",
        "odd": "aGk=",
    }


@pytest.mark.parametrize(
    ("output", "name", "value"),
    [
        ({"text": packed("hé".encode())}, "words", "hé"),
        ({"text": packed("你".encode("gbk")), "encoding": "gbk"}, "words", "你"),
        ({"text": packed(gzip.compress(b"hi")), "compress": "gzip"}, "words", "hi"),
        ({"text": packed(b'{"a": 1}')}, "boxes", {"a": 1}),
        ({"text": packed(b"no json")}, "boxes", "no json"),
        ({"text": {"a": 1}, "format": "json"}, "boxes", {"a": 1}),
        ({"text": packed(b"\xff\xfe")}, "words", b"\xff\xfe"),
        ({"image": packed(b"\x89PNG")}, "drawing", b"\x89PNG"),
        ({"audio": packed(b"RIFF")}, "undeclared", b"RIFF"),
        ({"text": packed(b"hi")}, "undeclared", "hi"),
        ({"status": 3}, "words", None),
    ],
)
def test_envelope_says_itself_what_its_data_is(output: dict[str, Any], name: str, value: Any) -> None:
    assert read_payload({name: output}, SHAPES) == {name: value}


def test_outputs_say_what_there_is() -> None:
    outputs = Outputs({"a": b"xy", "b": 1}, "4d")

    assert (dict(outputs), len(outputs), outputs.job_id) == ({"a": b"xy", "b": 1}, 2, "4d")
    assert "<2 bytes>" in repr(outputs)
    with pytest.raises(KeyError, match="'c'; it has: a, b"):
        outputs["c"]
    with pytest.raises(LookupError, match="a, b"):
        _ = outputs.only
    assert Outputs({"a": 1}, "").only == 1


def test_shapes_are_asked_for_again_when_an_answer_has_more_or_they_are_old() -> None:
    now_s = [0.0]
    known = KnownShapes(lambda: now_s[0])
    assert known.of("studio", {}) is None

    body = b'{"outputs": [{"key": "words", "type": 0}, {"key": "drawing", "type": 2, "is_json": false}]}'
    learned = known.learn("studio", Answer(200, {}, body))

    assert learned == {"words": SHAPES["words"], "drawing": SHAPES["drawing"]}
    assert known.of("studio", {"words": 1}) == learned
    assert known.of("studio", {"new": 1}) is None
    now_s[0] = KEPT_S
    assert known.of("studio", {"words": 1}) is None
    assert known.learn("studio", Answer(403, {}, b"{}")) == {} and shapes_of({}) == {}
