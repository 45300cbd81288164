"""The JSON Schemas say what the gateway does."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from marshmallow import fields, validate

from athena.errors import RequestError
from athena.jobs.intake import prepare_job
from athena.protocol.checks.fields import Text
from athena.protocol.checks.schema import RequestSchema, build_envelope_schema, validate_envelope
from athena.protocol.envelope import OutputValue, render_payload, success_body
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from athena.protocol.json_schema import answer_schema, field_schema, request_schema
from tests.unit.protocol.checks import test_quick_check as samples

ROOT = Path(__file__).parents[3]

NOTHING_DECLARED = Interface("echo", "v1", "", (), (), (), ("cpu",), True, Limits())
MEMBERS = Interface(
    "echo",
    "v1",
    "",
    params=(
        ParamSpec("word", min_length=1),
        ParamSpec("count", "integer", minimum=1),
        ParamSpec("level", "integer", enum=(1, 2.5, True, "x"), default=1),
        ParamSpec("loud", "boolean", enum=(1,)),
        ParamSpec("size", "number", minimum=0.5),
    ),
    inputs=(
        DataSpec(
            "text", 0, True, (ParamSpec("text", min_length=1, max_length=4), ParamSpec("level", "integer"))
        ),
        DataSpec("picture", 2, members=(ParamSpec("encoding", enum=("jpg",), required=True),)),
    ),
    outputs=(DataSpec("answer", 0, True, (ParamSpec("format", enum=("json",), replace_key="as"),)),),
    gpu_types=("cpu",),
    fallback=True,
    limits=Limits(),
)
INTERFACES = {"declared": samples.INTERFACE, "members": MEMBERS, "nothing": NOTHING_DECLARED}
SCHEMAS = {name: build_envelope_schema(interface) for name, interface in INTERFACES.items()}
VALIDATORS = {name: Draft202012Validator(request_schema(interface)) for name, interface in INTERFACES.items()}


def accepts(schema: RequestSchema, document: Any) -> bool:
    """Whether the gateway accepts a request."""
    try:
        validate_envelope(schema, document)
    except RequestError:
        return False
    return True


def is_sayable(document: Any) -> bool:
    """Whether JSON Schema can judge it: lengths are bytes here, characters there; infinity is no JSON."""
    text = json.dumps(document, ensure_ascii=False)
    return text.isascii() and "Infinity" not in text


def judge_alike(name: str, document: Any) -> None:
    errors = [error.message for error in VALIDATORS[name].iter_errors(document)]

    assert accepts(SCHEMAS[name], document) is (not errors), errors


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(INTERFACES)), samples.changed_requests())
def test_requests_are_judged_as_the_gateway_judges_them(name: str, document: Any) -> None:
    assume(is_sayable(document))
    judge_alike(name, document)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(INTERFACES)),
    st.recursive(
        samples.VALUES, lambda inner: st.dictionaries(samples.NAMES, inner, max_size=4), max_leaves=12
    ),
)
def test_any_json_is_judged_alike(name: str, document: Any) -> None:
    assume(is_sayable(document))
    judge_alike(name, document)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(INTERFACES)), samples.changed_requests())
def test_what_the_quick_check_admits_marshmallow_returns_unchanged(name: str, document: Any) -> None:
    if SCHEMAS[name].quick_check(document):
        assert samples.loaded(SCHEMAS[name], document) == document


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_ordinary_requests_take_the_quick_way(name: str) -> None:
    assert SCHEMAS[name].quick_check(samples.BASE)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"header": None},
        {"payload": None},
        {"parameter": None},
        {"header": {"app_id": "", "appid": "b", "status": 3.0}},
        {"header": {"app_id": None, "status": 3}},
        {"header": {"app_id": "a", "status": True}},
        {"header": {"app_id": "a", "status": 3, "request_id": "a b"}},
        {"header": {"app_id": "a", "status": 3, "patch_id": ["a", None]}},
        {"payload": {"text": None}},
        {"parameter": {"other": {}}},
        {"parameter": {"echo": {"answer": {"format": "json"}, "level": 1.0, "loud": True, "word": "ab"}}},
        {"parameter": {"echo": {"answer": {}, "level": 2.5}}},
        {"parameter": {"echo": {"answer": None, "loud": False}}},
        {"parameter": {"echo": {"anything": [1, {"a": None}], "answer": 3}}},
        {"payload": {"text": {"text": ""}}},
        {"payload": {"text": {"text": "", "seq": 12}, "picture": {"image": "x"}}},
    ],
)
@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_what_is_unusual_is_judged_alike(name: str, change: dict[str, Any]) -> None:
    judge_alike(name, {**samples.BASE, **change})


@pytest.mark.parametrize("name", sorted(INTERFACES))
@pytest.mark.parametrize("schema_of", [request_schema, answer_schema])
def test_schemas_are_json_schemas(name: str, schema_of: Any) -> None:
    schema = json.loads(orjson.dumps(schema_of(INTERFACES[name])))

    Draft202012Validator.check_schema(schema)
    assert schema == schema_of(INTERFACES[name])


def test_descriptions_defaults_and_the_example_are_shown() -> None:
    example = {"header": {"app_id": "a", "status": 3}}
    interface = Interface(
        "echo",
        "v2",
        "Repeats",
        (ParamSpec("times", "integer", maximum=9, description="how often", default=2),),
        (),
        (),
        ("cpu",),
        True,
        Limits(),
        example,
    )

    schema = request_schema(interface)

    times = schema["properties"]["parameter"]["properties"]["echo"]["properties"]["times"]
    assert times == {"type": ["integer", "null"], "maximum": 9, "description": "how often", "default": 2}
    assert (schema["title"], schema["description"]) == ("echo v2: request", "Repeats")
    assert schema["examples"] == [example]


@pytest.mark.parametrize("name", sorted(INTERFACES))
@pytest.mark.parametrize("attributes", [{}, {"format": "json"}, {"format": None}])
def test_answers_fit_their_schema(name: str, attributes: dict[str, Any]) -> None:
    request = {**samples.BASE, "parameter": {"echo": {"word": "word", "answer": attributes}}}
    validate_envelope(SCHEMAS[name], request)
    message, _ = prepare_job("0" * 32, INTERFACES[name], request, 1000)
    payload = render_payload([OutputValue("answer", 0, 3, b'{"a": [1]}')], message.expected)

    answer = json.loads(success_body(message.job_id, "cpu", payload))

    validator = Draft202012Validator(answer_schema(INTERFACES[name]))
    validator.validate(answer)
    validator.validate({"header": answer["header"]})
    answer["payload"]["answer"]["seq"] = 1
    assert not validator.is_valid(answer)


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(TypeError, match="Date"):
        field_schema(fields.Date())
    with pytest.raises(TypeError, match="Email"):
        field_schema(Text(validate=validate.Email()))
