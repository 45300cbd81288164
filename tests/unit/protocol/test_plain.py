"""The plain form, in both directions."""

import base64
import json
from typing import Any

import orjson
import pytest

from athena.errors import Problem, RequestError
from athena.protocol.checks.schema import build_envelope_schema, validate_envelope
from athena.protocol.envelope import OutputValue, render_payload
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from athena.protocol.plain import is_plain, plain_body, plain_envelope, plain_problems

PNG = b"\x89PNG\r\n\x1a\n0000"
PNG_TEXT = base64.b64encode(PNG).decode()


def interface(**changes: Any) -> Interface:
    members: dict[str, Any] = {
        "service_id": "iris",
        "version": "v1",
        "description": "",
        "params": (ParamSpec("threshold", "number"), ParamSpec("scene")),
        "inputs": (
            DataSpec("features", is_json=True),
            DataSpec("note"),
            DataSpec("picture", 2),
            DataSpec("scores"),
        ),
        "outputs": (DataSpec("scores", is_json=True), DataSpec("drawing", 2)),
        "gpu_types": ("cpu",),
        "fallback": True,
        "limits": Limits(),
    }
    return Interface(**{**members, **changes})


UNDECLARED = interface(params=(), inputs=(), outputs=())


def envelope(document: dict[str, Any], of: Interface | None = None) -> dict[str, Any]:
    of = of or interface()
    return validate_envelope(build_envelope_schema(of), plain_envelope(of, document, "anonymous"))


def data(document: dict[str, Any], key: str, of: Interface | None = None) -> bytes:
    member = envelope(document, of)["payload"][key]
    return base64.b64decode(member.get("text") or member.get("image") or "")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, True),
        ({"features": []}, True),
        ({"header": None}, False),
        ({"payload": {}}, False),
        ({"parameter": {}}, False),
        ([], False),
        ("text", False),
        (None, False),
    ],
)
def test_a_request_without_a_part_of_the_envelope_is_plain(document: Any, expected: bool) -> None:
    assert is_plain(document) is expected


def test_names_find_their_places() -> None:
    made = envelope(
        {
            "features": [[1, 2.5]],
            "threshold": 0.5,
            "scene": "a parameter first",
            "gpu_type": "T4G16",
            "request_id": "mine",
            "drawing": {"width": 7, "format": "json"},
        }
    )

    assert made["header"] == {"app_id": "anonymous", "status": 3, "request_id": "mine"}
    assert made["parameter"]["iris"] == {
        "threshold": 0.5,
        "scene": "a parameter first",
        "gpu_type": "T4G16",
        "drawing": {"width": 7},
    }
    assert [*made["payload"]] == ["features"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("note", "héllo", "héllo".encode()),
        ("note", "[1]", b"[1]"),
        ("note", [1, "a"], b'[1,"a"]'),
        ("note", 7, b"7"),
        ("features", [[1, 2.5]], b"[[1,2.5]]"),
        ("features", "text", b'"text"'),
        ("features", {"a": 2**70}, b'{"a": %d}' % 2**70),
        ("picture", PNG_TEXT, PNG),
        ("picture", f"data:image/png;base64,{PNG_TEXT}", PNG),
        ("picture", {"image": PNG_TEXT, "encoding": "png"}, PNG),
        # An output has this name, too.
        ("scores", {"a": 1}, b'{"a":1}'),
    ],
)
def test_inputs_are_what_they_look_like(key: str, value: Any, expected: bytes) -> None:
    assert data({key: value}, key) == expected


def test_null_is_no_input() -> None:
    assert envelope({"note": None})["payload"] == {}


@pytest.mark.parametrize("value", [PNG_TEXT, f"data:image/png;base64,{PNG_TEXT}", f"data:;base64,{PNG_TEXT}"])
def test_the_encoding_is_found_out(value: str) -> None:
    assert envelope({"picture": value})["payload"]["picture"]["encoding"] == "png"


def test_an_address_is_fetched_like_one_of_the_envelope() -> None:
    made = plain_envelope(interface(), {"picture": "https://example.com/a.png"}, "me")

    assert made["payload"]["picture"] == {"dataSrc": "http", "url": "https://example.com/a.png", "status": 3}


@pytest.mark.parametrize("value", [7, [1], True, "data:image/png,abc", "data:image/png;base64"])
def test_what_cannot_be_data_is_refused(value: Any) -> None:
    with pytest.raises(RequestError) as error:
        envelope({"picture": value})

    assert error.value.problems[0].pointer == "/payload/picture"


def test_what_an_undeclared_ability_gets() -> None:
    made = envelope(
        {"lang": "en", "rows": [1, 2], "photo": f"data:image/png;base64,{PNG_TEXT}", "n": 3}, UNDECLARED
    )

    assert made["parameter"]["iris"] == {"lang": "en", "n": 3}
    assert base64.b64decode(made["payload"]["rows"]["text"]) == b"[1,2]"
    assert made["payload"]["photo"]["image"] == PNG_TEXT


def test_errors_point_into_what_was_sent() -> None:
    problems = [
        Problem("/payload/picture/image", "a"),
        Problem("/parameter/iris/threshold", "b"),
        Problem("/parameter/iris/drawing/width", "c"),
        Problem("/header/app_id", "d"),
        Problem("/payload", "e"),
        Problem("", "f"),
    ]

    found = [item.pointer for item in plain_problems(problems)]

    assert found == ["/picture", "/threshold", "/drawing/width", "/app_id", "", ""]


@pytest.mark.parametrize(
    ("key", "type", "written", "attributes", "expected"),
    [
        ("words", 0, "héllo".encode(), {}, "héllo"),
        ("words", 0, b"[1]", {}, "[1]"),
        ("scores", 0, b"[1, 2.50]", {}, [1, 2.5]),
        ("scores", 0, b'"abcd"', {}, "abcd"),
        ("scores", 0, b"no JSON", {}, "no JSON"),
        ("drawing", 2, PNG, {}, PNG_TEXT),
        ("words", 0, b"\xff\xfe", {}, base64.b64encode(b"\xff\xfe").decode()),
        ("words", 0, "你".encode(), {"encoding": "gbk"}, base64.b64encode("你".encode("gbk")).decode()),
        ("words", 0, b"", {}, ""),
    ],
)
def test_outputs_are_what_they_are(
    key: str, type: int, written: bytes, attributes: dict[str, Any], expected: Any
) -> None:
    payload = render_payload([OutputValue(key, type, 3, written)], {key: attributes})

    assert orjson.loads(plain_body(payload, frozenset(("scores",)))) == {key: expected}


def test_json_is_not_written_anew() -> None:
    payload = render_payload([OutputValue("scores", 0, 3, b'{"b": 1.50, "a": 18446744073709551617}')], {})

    assert plain_body(payload, frozenset(("scores",))) == b'{"scores":{"b": 1.50, "a": 18446744073709551617}}'


def test_no_output_is_an_empty_object() -> None:
    assert json.loads(plain_body(b"", frozenset())) == {}


def test_whether_a_text_is_json_is_nothing_that_waiting_jobs_are_checked_for() -> None:
    changed = interface(outputs=(DataSpec("scores"), DataSpec("drawing", 2)))

    assert changed.digest == interface().digest
