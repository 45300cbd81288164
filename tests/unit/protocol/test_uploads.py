"""Requests that come as files and plain fields."""

import base64
from typing import Any

import pytest

from athena.errors import RequestError
from athena.protocol.checks.schema import build_envelope_schema, validate_envelope
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from athena.protocol.uploads import Upload, build_envelope

PNG = b"\x89PNG\r\n\x1a\n0000"


def interface(**changes: Any) -> Interface:
    members: dict[str, Any] = {
        "service_id": "ocr",
        "version": "v1",
        "description": "",
        "params": (
            ParamSpec("language"),
            ParamSpec("limit", "integer"),
            ParamSpec("scale", "number"),
            ParamSpec("fast", "boolean"),
        ),
        "inputs": (DataSpec("image", 2), DataSpec("note", 0)),
        "outputs": (DataSpec("boxes", 0), DataSpec("note", 0)),
        "gpu_types": ("cpu",),
        "fallback": True,
        "limits": Limits(),
    }
    return Interface(**{**members, **changes})


def build(fields: list[tuple[str, str]], *uploads: Upload, base: Any = None) -> dict[str, Any]:
    return build_envelope(interface(), fields, uploads, base)


def test_an_upload_becomes_an_input() -> None:
    envelope = build([("app_id", "me")], Upload("image", PNG, "image/png"))

    assert envelope["header"] == {"status": 3, "app_id": "me"}
    image = envelope["payload"]["image"]
    assert image == {"encoding": "png", "status": 3, "image": base64.b64encode(PNG).decode()}
    validate_envelope(build_envelope_schema(interface()), envelope)


def test_the_bytes_tell_the_encoding_where_the_caller_does_not() -> None:
    envelope = build([], Upload("image", PNG, "application/octet-stream"))

    assert envelope["payload"]["image"]["encoding"] == "png"


def test_the_charset_of_a_text_becomes_its_encoding() -> None:
    envelope = build([], Upload("note", "你".encode("gbk"), "text/plain", "GBK"))

    assert envelope["payload"]["note"]["encoding"] == "gbk"


def test_parameters_get_their_declared_types() -> None:
    fields = [("language", "3"), ("limit", "3"), ("scale", "0.5"), ("fast", "true"), ("parameter.x", "1")]

    own = build(fields)["parameter"]["ocr"]

    assert own == {"language": "3", "limit": 3, "scale": 0.5, "fast": True, "x": "1"}


def test_a_number_that_is_none_is_left_to_the_schema() -> None:
    envelope = build([("limit", "many"), ("app_id", "me")])

    with pytest.raises(RequestError) as refusal:
        validate_envelope(build_envelope_schema(interface()), {**envelope, "payload": {}})

    assert refusal.value.problems[0].pointer == "/parameter/ocr/limit"


def test_attributes_go_to_outputs_and_inputs() -> None:
    fields = [
        ("boxes.format", "json"),
        ("image.width", "12"),
        ("note.encoding", "gbk"),
        ("payload.note.encoding", "utf8"),
        ("image.encoding", "jpg"),
    ]

    envelope = build(fields, Upload("image", PNG, "image/png"))

    assert envelope["parameter"]["ocr"] == {"boxes": {"format": "json"}, "note": {"encoding": "gbk"}}
    assert envelope["payload"]["note"] == {"encoding": "utf8"}
    assert envelope["payload"]["image"]["width"] == 12
    assert envelope["payload"]["image"]["encoding"] == "jpg"


def test_names_of_the_header_need_no_prefix_unless_a_parameter_has_them() -> None:
    own = interface(params=(ParamSpec("scene"),))

    envelope = build_envelope(own, [("scene", "a"), ("uid", "u"), ("header.scene", "b")], [])

    assert envelope["header"] == {"status": 3, "uid": "u", "scene": "b"}
    assert envelope["parameter"]["ocr"] == {"scene": "a"}


def test_fields_are_put_into_an_envelope() -> None:
    base = {
        "header": {"app_id": "me", "status": 3},
        "parameter": {"ocr": {"limit": 1, "language": "de"}},
        "payload": {"image": {"encoding": "jpg"}},
    }

    envelope = build([("limit", "2")], Upload("image", PNG, "image/png"), base=base)

    assert envelope["parameter"]["ocr"] == {"limit": 2, "language": "de"}
    assert envelope["payload"]["image"]["encoding"] == "jpg"
    assert base["parameter"] == {"ocr": {"limit": 1, "language": "de"}}


@pytest.mark.parametrize("member", ["header", "parameter", "payload"])
def test_an_envelope_of_something_else_is_refused(member: str) -> None:
    with pytest.raises(RequestError) as refusal:
        build([], base={member: [1]})

    assert refusal.value.problems[0].pointer == f"/{member}"


def test_other_services_stay_for_the_schema_to_refuse() -> None:
    envelope = build([("app_id", "me")], base={"parameter": {"else": {}}, "payload": {}})

    with pytest.raises(RequestError) as refusal:
        validate_envelope(build_envelope_schema(interface()), envelope)

    assert refusal.value.problems[0].pointer == "/parameter/else"


def test_a_nameless_input_is_the_only_one() -> None:
    one = interface(inputs=(DataSpec("image", 2),))

    assert "image" in build_envelope(one, [], [Upload("", PNG)])["payload"]
    with pytest.raises(RequestError, match="not clear") as refusal:
        build([], Upload("", PNG))
    assert "declared are: image, note" in refusal.value.problems[0].detail


def test_an_ability_that_declares_nothing_gets_the_type_that_the_content_has() -> None:
    free = interface(params=(), inputs=(), outputs=())

    envelope = build_envelope(free, [("a", "1"), ("x.format", "json")], [Upload("x", PNG, "image/png")])

    assert set(envelope["payload"]["x"]) == {"encoding", "status", "image", "format"}
    assert envelope["parameter"]["ocr"] == {"a": "1"}
