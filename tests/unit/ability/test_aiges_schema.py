"""Schema documents of the original framework: written, read, and obeyed."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from athena.ability.aiges_export import Shape, export_document
from athena.ability.aiges_import import UpstreamSchema, import_document
from athena.errors import ConfigError, RequestError
from athena.jobs.intake import complete, convert, prepare_job
from athena.jobs.message import JobMessage
from athena.protocol.checks.schema import HINTS, build_envelope_schema, validate_envelope
from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec

BLANK = Interface("ocr", "v1", "", (), (), (), ("cpu",), True, Limits())
OCR = replace(
    BLANK,
    params=(
        ParamSpec("language", enum=("en", "zh"), required=True, description="what is written"),
        ParamSpec("hint", max_length=300, min_length=1),
        ParamSpec("level", "integer", minimum=1, maximum=9),
        ParamSpec("loud", "boolean"),
    ),
    inputs=(DataSpec("data", 2), DataSpec("voice", 1), DataSpec("note", 0), DataSpec("film", 3)),
    outputs=(DataSpec("boxes", 0), DataSpec("picture", 2)),
)
HEADER = {"app_id": "a", "status": 3}
REQUEST = {
    "header": HEADER,
    "parameter": {
        "ocr": {"language": "en", "gpu_type": "T4G16", "boxes": {"encoding": "utf8", "format": "json"}}
    },
    "payload": {"data": {"encoding": "jpg", "image": "aGk=", "status": 3}},
}


def deployed() -> dict[str, Any]:
    """A document as they are written by hand: hints that are required, an output with attributes."""

    def text(*values: str) -> dict[str, Any]:
        return {"type": "string", "enum": list(values)}

    described = {
        "type": "object",
        "properties": {"encoding": text("utf8", "gb2312"), "format": text("plain", "json")},
    }
    ocr = {
        "type": "object",
        "properties": {
            "category": text("ai_category"),
            "gpu_type": text("T4G16"),
            "gpu_id": {"type": "string", "maxLength": HINTS["gpu_id"]},
            "boxes": described,
        },
        "required": ["category", "gpu_type"],
    }
    data = {
        "type": "object",
        "properties": {
            "encoding": text("jpg", "png"),
            "image": {"type": "string", "minLength": 1, "maxLength": 8},
            "status": {"type": "integer", "enum": [3]},
        },
    }
    return {
        "meta": {
            "serviceId": "ocr",
            "version": "v1.0",
            "service": ["ocr"],
            "call": "atmos",
            "call_type": "0",
            "route": "/v1/private/ocr",
            "ocr": {"input": {"data": {"dataType": "image"}}, "accept": {"boxes": {"dataType": "text"}}},
        },
        "schemainput": {
            "type": "object",
            "properties": {
                "header": {"type": "object", "properties": {"app_id": {"type": "string"}}},
                "parameter": {"type": "object", "properties": {"ocr": ocr}},
                "payload": {"type": "object", "properties": {"data": data}},
            },
        },
        "schemaoutput": {"type": "object", "properties": {"payload": {"type": "object"}}},
    }


def own_node(document: dict[str, Any]) -> Any:
    """Returns the schema of `parameter.ocr` in a document."""
    return document["schemainput"]["properties"]["parameter"]["properties"]["ocr"]


def with_param(**keywords: Any) -> dict[str, Any]:
    """Returns the deployed document with one parameter more, which is required."""
    document = deployed()
    own_node(document)["properties"]["word"] = keywords
    own_node(document)["required"] = ["word"]
    return document


def imported_param(**keywords: Any) -> ParamSpec:
    return next(spec for spec in import_document(with_param(**keywords)).params if spec.key == "word")


def check(document: dict[str, Any], request: dict[str, Any], size: int = 10_000) -> JobMessage:
    """Runs a request through a gateway that obeys the document."""
    interface = import_document(document).apply(BLANK)
    checked = validate_envelope(build_envelope_schema(interface), request)
    return prepare_job("0" * 32, interface, checked, size)[0]


def problems(document: dict[str, Any], request: dict[str, Any]) -> set[str]:
    """Returns where a gateway that obeys the document finds mistakes."""
    try:
        check(document, request)
    except RequestError as error:
        return {problem.pointer for problem in error.problems}
    return set()


def changed(pointer: str, value: Any) -> dict[str, Any]:
    """Returns the request with one value changed."""
    request: dict[str, Any] = deepcopy(REQUEST)
    request["parameter"]["ocr"] = {"category": "ai_category", "gpu_type": "T4G16", "boxes": {}}
    *way, last = pointer.split("/")
    place = request
    for name in way:
        place = place[name]
    place[last] = value
    return request


# Writing


@pytest.mark.parametrize("shape", Shape)
def test_a_document_has_the_parts_that_the_gateway_needs(shape: Shape) -> None:
    document = export_document(OCR, shape)

    meta = document["meta"]
    assert document.keys() == {"meta", "schemainput", "schemaoutput"}
    assert meta["serviceId"] == "ocr"
    assert meta["service"] == ["ocr"]
    assert meta["route"] == "/v1/private/ocr"
    assert meta["ocr"]["input"]["data"] == {"dataType": "image"}
    assert meta["ocr"]["accept"] == {"boxes": {"dataType": "text"}, "picture": {"dataType": "image"}}
    assert meta["call_type"] == {Shape.LEGACY: 0, Shape.V2: "0"}[shape]
    assert set(document["schemainput"]["properties"]) == {"header", "parameter", "payload"}


def test_the_shapes_name_header_members_and_data_as_their_generation_does() -> None:
    legacy, v2 = (export_document(OCR, shape)["schemainput"]["properties"] for shape in Shape)

    assert {"appid", "app_id", "device.imei", "net.type"} <= legacy["header"]["properties"].keys()
    assert {"appid", "app_id", "imei", "net_type"} <= v2["header"]["properties"].keys()
    assert "device.imei" not in v2["header"]["properties"]
    assert "data_type" in v2["payload"]["properties"]["data"]["properties"]
    assert "data_type" not in legacy["payload"]["properties"]["data"]["properties"]


@pytest.mark.parametrize("shape", Shape)
def test_parameters_keep_what_the_wrapper_declares(shape: Shape) -> None:
    own = own_node(export_document(OCR, shape))

    assert own["properties"]["language"] == {
        "type": "string",
        "enum": ["en", "zh"],
        "description": "what is written",
    }
    assert own["properties"]["hint"] == {"type": "string", "minLength": 1, "maxLength": 300}
    assert own["properties"]["level"] == {"type": "integer", "minimum": 1, "maximum": 9}
    assert own["properties"]["loud"] == {"type": "boolean"}
    assert own["required"] == ["language"]
    assert HINTS.keys() <= own["properties"].keys()
    assert own["properties"]["boxes"]["type"] == "object"


@pytest.mark.parametrize("shape", Shape)
def test_null_is_written_nowhere_as_it_passes_anyway(shape: Shape) -> None:
    def nodes(value: Any) -> Any:
        yield value
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from nodes(item)

    found = list(nodes(export_document(OCR, shape)))

    assert None not in [item for item in found if not isinstance(item, dict | list)]
    assert "null" not in [item for item in found if isinstance(item, str)]


@pytest.mark.parametrize("shape", Shape)
def test_keywords_that_rewrite_are_written(shape: Shape) -> None:
    spec = ParamSpec("x", "integer", const=1, default=2, replace_key="y", format_as="string")

    own = own_node(export_document(replace(OCR, params=(spec,)), shape))

    assert own["properties"]["x"] == {
        "type": "integer",
        "constVal": 1,
        "defaultVal": 2,
        "replaceKey": "y",
        "formatVal": "string",
    }


@pytest.mark.parametrize("shape", Shape)
def test_a_request_that_is_right_here_is_right_by_the_document(shape: Shape) -> None:
    assert not problems(export_document(OCR, shape), REQUEST)
    own = {**REQUEST, "parameter": {"ocr": {"language": "fr"}}}
    assert problems(export_document(OCR, shape), own) == {"/parameter/ocr/language"}


# There and back

names = st.sampled_from(["a", "b", "c", "long_name"])
descriptions = st.sampled_from(["", "what it is for"])
words = st.sampled_from(["x", "yy", "zzz"])
lengths = st.none() | st.integers(1, 99)
texts = st.builds(ParamSpec, key=names, min_length=lengths, max_length=lengths, description=descriptions)
choices = st.builds(ParamSpec, key=names, enum=st.lists(words, min_size=1, unique=True).map(tuple))
numbers = st.builds(
    ParamSpec,
    key=names,
    json_type=st.sampled_from(["integer", "number"]),
    minimum=st.none() | st.integers(0, 5),
    maximum=st.none() | st.integers(6, 9),
    replace_key=st.sampled_from(["", "other"]),
    format_as=st.sampled_from(["", "string", "number"]),
)
truths = st.builds(ParamSpec, key=names, json_type=st.just("boolean"), required=st.booleans())
defaults = st.builds(ParamSpec, key=names, default=words | st.none(), const=words | st.none())
params = st.lists(texts | choices | numbers | truths | defaults, max_size=4, unique_by=lambda spec: spec.key)
data = st.lists(
    st.builds(
        DataSpec,
        key=st.sampled_from(["in1", "in2", "out"]),
        type=st.sampled_from(sorted(DATA_FIELDS)),
        required=st.booleans(),
        members=st.none() | st.lists(texts | choices, max_size=2, unique_by=lambda spec: spec.key).map(tuple),
    ),
    max_size=2,
    unique_by=lambda spec: spec.key,
)
interfaces = st.builds(
    lambda params, inputs, outputs: replace(
        BLANK, params=tuple(params), inputs=tuple(inputs), outputs=tuple(outputs)
    ),
    params,
    data,
    data,
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.sampled_from(Shape), interfaces)
def test_a_document_that_was_written_can_be_read(shape: Shape, interface: Interface) -> None:
    document = export_document(interface, shape)

    read = import_document(document)

    assert (read.service_id, read.version, read.params) == ("ocr", "v1", interface.params)
    for specs, found in ((interface.inputs, read.inputs), (interface.outputs, read.outputs)):
        assert [replace(spec, members=None) for spec in found] == [
            replace(spec, members=None) for spec in specs
        ]
        for spec, item in zip(specs, found, strict=True):
            assert item.members == spec.members or spec.members is None
    assert read.apply(interface).is_permissive == interface.is_permissive
    assert export_document(read.apply(interface), shape) == document


# Reading


def test_a_document_written_by_hand_is_read_as_it_is_meant() -> None:
    assert import_document(deployed()) == UpstreamSchema(
        service_id="ocr",
        version="v1.0",
        params=(
            ParamSpec("category", required=True, enum=("ai_category",)),
            ParamSpec("gpu_type", required=True, enum=("T4G16",)),
        ),
        inputs=(
            DataSpec(
                "data",
                2,
                members=(
                    ParamSpec("encoding", enum=("jpg", "png")),
                    ParamSpec("image", min_length=1, max_length=8),
                    ParamSpec("status", "integer", enum=(3,)),
                ),
            ),
        ),
        outputs=(
            DataSpec(
                "boxes",
                0,
                members=(
                    ParamSpec("encoding", enum=("utf8", "gb2312")),
                    ParamSpec("format", enum=("plain", "json")),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("parameter/ocr/gpu_type", "A100"),
        ("parameter/ocr/unknown", 1),
        ("parameter/ocr/boxes/format", "xml"),
        ("parameter/ocr/boxes/compress", "raw"),
        ("payload/data/encoding", "bmp"),
        ("payload/data/image", ""),
        ("payload/data/image", "aGkgYWxs" * 2),
        ("payload/data/seq", 0),
        ("payload/data/status", 2),
        ("payload/other", {}),
    ],
)
def test_what_the_document_does_not_allow_is_refused(pointer: str, value: Any) -> None:
    assert problems(deployed(), changed(pointer, value)) == {f"/{pointer}"}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("parameter/ocr/gpu_type", None),
        ("parameter/ocr/boxes", None),
        ("parameter/ocr/boxes/format", None),
        ("parameter/ocr/gpu_id", "first"),
        ("payload/data/image", None),
        ("payload/data/status", None),
        ("payload/data", None),
    ],
)
def test_null_passes_and_so_does_what_the_document_allows(pointer: str, value: Any) -> None:
    assert not problems(deployed(), changed(pointer, value))


def test_what_must_be_there_must_be_there() -> None:
    request = changed("parameter", {"ocr": {"category": "ai_category"}})

    assert problems(deployed(), request) == {"/parameter/ocr/gpu_type"}
    assert problems(deployed(), changed("parameter", {})) == {"/parameter/ocr"}


def test_a_default_is_filled_in_before_it_is_asked_what_is_missing() -> None:
    document = with_param(type="string", defaultVal="en")

    assert not imported_param(type="string", defaultVal="en").required
    assert check(document, changed("parameter", {})).params == {"word": "en"}
    assert check(document, changed("parameter", {"ocr": {"word": "zh"}})).params == {"word": "zh"}
    assert check(document, changed("parameter", {"ocr": {"word": None}})).params == {"word": ""}


def test_a_constant_takes_the_place_of_what_was_sent() -> None:
    document = with_param(type="string", constVal="en")

    assert check(document, changed("parameter", {"ocr": {"word": "zh"}})).params == {"word": "en"}
    assert check(document, changed("parameter", {})).params == {"word": "en"}
    assert problems(document, changed("parameter", {"ocr": {"word": 3}})) == {"/parameter/ocr/word"}


def test_a_value_is_given_under_another_name_too() -> None:
    document = with_param(type="string", replaceKey="gpu_id")

    assert check(document, changed("parameter", {"ocr": {"word": "x"}})).params == {
        "word": "x",
        "gpu_id": "x",
    }
    both = {"ocr": {"word": "x", "gpu_id": "y"}}
    assert check(document, changed("parameter", both)).params == {"word": "x", "gpu_id": "y"}


@pytest.mark.parametrize(
    ("format_as", "value", "expected"),
    [
        ("string", 3, "3"),
        ("lower", "Ab", "ab"),
        ("upper", "Ab", "AB"),
        ("boolean", "false", False),
        ("boolean", 2, True),
        ("integer", "3", 3),
        ("number", "1.5", 1.5),
        ("number", "many", "many"),
        ("number", None, None),
    ],
)
def test_a_value_is_turned_into_another_type(format_as: str, value: Any, expected: Any) -> None:
    assert convert(value, format_as) == expected
    assert complete({"x": value}, [ParamSpec("x", format_as=format_as)]) == {"x": expected}
    assert complete({}, [ParamSpec("x", format_as=format_as)]) == {}


def test_inputs_and_expected_outputs_are_rewritten_too() -> None:
    document = deployed()
    own_node(document)["properties"]["boxes"]["properties"]["format"] = {
        "type": "string",
        "defaultVal": "json",
    }
    payload = document["schemainput"]["properties"]["payload"]["properties"]
    payload["data"]["properties"]["encoding"] = {"type": "string", "constVal": "png"}

    message = check(document, changed("parameter/ocr/boxes/encoding", "utf8"))

    assert message.expected == {"boxes": {"encoding": "utf8", "format": "json"}}
    assert message.inputs[0].attributes["encoding"] == "png"


@pytest.mark.parametrize(
    ("keywords", "spec"),
    [
        ({"enum": ["a", None]}, ParamSpec("word", enum=("a",), required=True)),
        ({"type": "string", "enums": ["a"]}, ParamSpec("word", enum=("a",), required=True)),
        ({"type": "string", "const": "a"}, ParamSpec("word", enum=("a",), required=True)),
        ({"type": "string", "default": "a"}, ParamSpec("word", default="a")),
        ({"type": "boolean", "title": "Loud"}, ParamSpec("word", "boolean", True, description="Loud")),
        ({"type": "string", "formatVal": "bool"}, ParamSpec("word", required=True, format_as="boolean")),
    ],
)
def test_keywords_are_read(keywords: dict[str, Any], spec: ParamSpec) -> None:
    assert imported_param(**keywords) == spec


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"type": "string", "switch": "x"}, "ocr/properties/word/switch is a keyword that is not known"),
        ({"type": "string|number"}, "word/type must be one of string, integer, number, boolean, not"),
        ({"type": "array"}, "word/type must be one of"),
        ({}, "word/type must be one of"),
        ({"type": "object"}, "word is an object, but no output"),
        ({"type": "string", "maxLength": "9"}, "word/maxLength has a value that cannot be used: '9'"),
        ({"type": "string", "maxLength": True}, "word/maxLength has a value"),
        ({"type": "string", "enum": [{}]}, "word/enum has a value"),
        ({"type": "string", "formatVal": "date"}, "word/formatVal must be one of"),
    ],
)
def test_a_parameter_that_cannot_be_obeyed_is_refused(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        import_document(with_param(**keywords))

    assert message in refusal.value.message


def several_services(document: Any) -> None:
    document["meta"]["service"] = ["one", "two"]


def parameters_of_two(document: Any) -> None:
    document["schemainput"]["properties"]["parameter"]["properties"]["two"] = {"type": "object"}


def sub_routes(document: Any) -> None:
    document["meta"]["subRoute"] = [{"subServiceId": "one"}]


def other_name(document: Any) -> None:
    document["meta"]["service"] = ["other"]


def unknown_type(document: Any) -> None:
    document["meta"]["ocr"]["input"]["data"]["dataType"] = "smell"


def untyped_input(document: Any) -> None:
    document["schemainput"]["properties"]["payload"]["properties"]["more"] = {"type": "object"}


def open_object(document: Any) -> None:
    own_node(document)["additionalProperties"] = True


def no_meta(document: Any) -> None:
    del document["meta"]


def required_is_true(document: Any) -> None:
    own_node(document)["required"] = True


def no_object(document: Any) -> None:
    own_node(document)["type"] = "string"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (several_services, "/meta/service names 2 services; one service is accepted"),
        (parameters_of_two, "holds the parameters of ocr, two; one service is accepted"),
        (sub_routes, "/meta/subRoute leads requests to several services"),
        (other_name, "/meta/service names other, and serviceId ocr"),
        (unknown_type, "data/dataType must be one of text, audio, image, video, other, not 'smell'"),
        (untyped_input, "holds more, which `input` does not name"),
        (open_object, "additionalProperties must be false"),
        (no_meta, "/meta is missing"),
        (required_is_true, "ocr/required must be a list"),
        (no_object, "ocr/type must be object, not 'string'"),
    ],
)
def test_a_document_that_cannot_be_obeyed_is_refused(spoil: Any, message: str) -> None:
    document = deployed()
    spoil(document)

    with pytest.raises(ConfigError) as refusal:
        import_document(document)

    assert message in refusal.value.message


@pytest.mark.parametrize("document", [None, [], "x", {"meta": 1}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(ConfigError):
        import_document(document)


# Requests for several services, and abilities that declare nothing


def test_a_request_for_several_services_is_refused_with_a_reason() -> None:
    with pytest.raises(RequestError) as refusal:
        check(deployed(), changed("parameter/second", {}))

    assert [(item.pointer, item.detail) for item in refusal.value.problems] == [
        ("/parameter/second", "is not known here; a request runs one service, this one ocr")
    ]


def run(payload: Any, parameter: Any = None) -> JobMessage:
    """Runs a request through the gateway of an ability that declares nothing."""
    request = {"header": HEADER, "parameter": {"ocr": parameter}, "payload": payload}
    checked = validate_envelope(build_envelope_schema(BLANK), request)
    return prepare_job("0" * 32, BLANK, checked, 1000)[0]


@pytest.mark.parametrize("shape", Shape)
def test_a_document_without_members_declares_nothing(shape: Shape) -> None:
    document = export_document(BLANK, shape)

    assert "properties" not in own_node(document)
    assert import_document(document).apply(BLANK) == BLANK


def test_an_ability_that_declares_nothing_gets_whatever_is_sent() -> None:
    message = run(
        {
            "a": {"image": "aGk=", "encoding": "jpg", "own": 3},
            "b": {"audio": "aGk=", "text": None},
            "c": None,
            "d": {"encoding": "utf8"},
        },
        {"word": "x", "list": [1, "a"], "gpu_type": "cpu", "answer": {"format": "json"}},
    )

    assert [(item.key, item.type) for item in message.inputs] == [("a", 2), ("b", 1)]
    assert message.inputs[0].attributes == {"encoding": "jpg", "own": "3"}
    assert message.params == {"word": "x", "list": "1;a", "gpu_type": "cpu"}
    assert message.expected == {"answer": {"format": "json"}}


def test_an_ability_that_declares_nothing_needs_no_payload() -> None:
    checked = validate_envelope(build_envelope_schema(BLANK), {"header": HEADER})

    assert prepare_job("0" * 32, BLANK, checked, 1000)[0].inputs == ()


@pytest.mark.parametrize(
    ("payload", "parameter", "pointer"),
    [
        ({"a": {"text": "aGk=", "image": "aGk="}}, {}, "/payload/a"),
        ({"a": {"text": 3}}, {}, "/payload/a/text"),
        ({"a": {"text": "?"}}, {}, "/payload/a/text"),
        ({"a": {"text": "aGk=", "status": 0}}, {}, "/payload/a/status"),
        ({"a": 3}, {}, "/payload/a"),
        (3, {}, "/payload"),
        (None, {}, "/payload"),
        ({}, {"gpu_type": 3}, "/parameter/ocr/gpu_type"),
        ({}, [], "/parameter/ocr"),
    ],
)
def test_what_no_ability_can_read_is_refused(payload: Any, parameter: Any, pointer: str) -> None:
    with pytest.raises(RequestError) as refusal:
        run(payload, parameter)

    assert [problem.pointer for problem in refusal.value.problems] == [pointer]


def test_an_object_in_an_object_reaches_the_wrapper_as_json() -> None:
    message = run({"a": {"text": "aGk=", "own": {"x": [1, None]}}})

    assert message.inputs[0].attributes == {"own": '{"x":[1,null]}'}
