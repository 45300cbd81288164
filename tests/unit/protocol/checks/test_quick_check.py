"""The quick check never says yes where marshmallow would say no, or would change the document."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from athena.protocol.checks.schema import RequestSchema, build_envelope_schema
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec

ROOT = Path(__file__).resolve().parents[4]

INTERFACE = Interface(
    service_id="echo",
    version="v1",
    description="",
    params=(
        ParamSpec("word", max_length=5, min_length=1, required=True),
        ParamSpec("color", enum=("red", "green")),
        ParamSpec("count", "integer", minimum=0, maximum=10),
        ParamSpec("size", "number", minimum=0, maximum=1),
        ParamSpec("level", "integer", enum=(1, 2)),
        ParamSpec("loud", "boolean"),
    ),
    inputs=(DataSpec("text", 0), DataSpec("picture", 2), DataSpec("sound", 1)),
    outputs=(DataSpec("answer", 0),),
    gpu_types=("cpu",),
    fallback=True,
    limits=Limits(),
)
SCHEMA = build_envelope_schema(INTERFACE)

BASE = {
    "header": {"app_id": "a", "status": 3},
    "parameter": {"echo": {"word": "w", "count": 1, "answer": {"format": "json"}}},
    "payload": {"text": {"text": "aGk=", "status": 3}},
}

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 15),
    st.sampled_from([0.0, 1.0, 3.0, 0.5, 1e400, -1.5, 3.5]),
    st.sampled_from(["", "red", "green", "wifi", "3", "w", "wörter", "x" * 51, "a b", "r-1", "ü" * 26]),
    st.builds(list),
    st.builds(dict),
    st.lists(st.sampled_from(["a", None, 1]), max_size=2),
)

NAMES = st.sampled_from(
    [
        *("header", "parameter", "payload", "app_id", "appid", "status", "uid", "net_type"),
        *("request_id", "patch_id", "echo", "word", "color", "count", "size", "level", "loud"),
        *("answer", "format", "text", "picture", "image", "sound", "audio", "encoding", "seq"),
        *("sample_rate", "gpu_type", "unknown"),
    ]
)


@st.composite
def changed_requests(draw: st.DrawFn) -> Any:
    """A valid request with a few members set or dropped, anywhere."""
    document = orjson.loads(orjson.dumps(BASE))
    for _ in range(draw(st.integers(0, 3))):
        place = document
        for _ in range(draw(st.integers(0, 3))):
            inner = [value for value in place.values() if isinstance(value, dict)]
            if not inner:
                break
            place = draw(st.sampled_from(inner))
        if place and draw(st.booleans()):
            place.pop(draw(st.sampled_from(sorted(place))))
        else:
            place[draw(NAMES)] = draw(VALUES)
    return document


def loaded(schema: RequestSchema, document: Any) -> Any:
    """Returns what marshmallow makes of a document, or None if it refuses it."""
    try:
        return schema.schema.load(document)
    except ValidationError:
        return None


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(changed_requests())
def test_what_the_quick_check_admits_marshmallow_returns_unchanged(document: Any) -> None:
    if SCHEMA.quick_check(document):
        assert loaded(SCHEMA, document) == document
        assert orjson.dumps(loaded(SCHEMA, document), option=orjson.OPT_SORT_KEYS) == orjson.dumps(
            document, option=orjson.OPT_SORT_KEYS
        )


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.recursive(VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12))
def test_any_json_is_judged_alike(document: Any) -> None:
    if SCHEMA.quick_check(document):
        assert loaded(SCHEMA, document) == document


@pytest.mark.parametrize(
    "document",
    [
        BASE,
        {**BASE, "header": {"app_id": "a", "status": 3, "uid": None, "net_type": "wifi"}},
        {**BASE, "header": {"app_id": "演示应用", "status": 3, "request_id": None}},
        {**BASE, "header": {"app_id": "ü" * 25, "status": 3}},
        {**BASE, "payload": {"picture": {"image": "aGk=", "encoding": "jpg", "width": 3}}},
    ],
)
def test_ordinary_requests_take_the_quick_way(document: Any) -> None:
    assert SCHEMA.quick_check(document)


def test_the_shipped_example_takes_the_quick_way() -> None:
    interface = Interface(
        service_id="echo",
        version="v1",
        description="",
        params=(),
        inputs=(DataSpec("text", 0),),
        outputs=(DataSpec("text", 0),),
        gpu_types=("cpu",),
        fallback=True,
        limits=Limits(),
    )
    example = orjson.loads((ROOT / "abilities" / "echo" / "example.json").read_bytes())

    assert build_envelope_schema(interface).quick_check(example)


@pytest.mark.parametrize("text", ["ü" * 26, "x" * 51, "€" * 17])
def test_lengths_are_counted_in_bytes(text: str) -> None:
    document = {**BASE, "header": {"app_id": text, "status": 3}}

    assert not SCHEMA.quick_check(document)
    assert loaded(SCHEMA, document) is None
