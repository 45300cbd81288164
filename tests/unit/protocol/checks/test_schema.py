"""The envelope: what is refused, where the pointer leads, and what a wrapper's declarations imply."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest

from athena import sdk
from athena.ability.manifest import Ability
from athena.errors import AppIdError, Problem, RequestError
from athena.jobs.intake import prepare_job
from athena.protocol.checks.schema import HEADER_FIELDS, build_envelope_schema, validate_envelope
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from workers.runtime.loader import declared_interface

MISSING = object()

BASE: dict[str, Any] = {
    "header": {"app_id": "a", "status": 3},
    "parameter": {"echo": {}},
    "payload": {"note": {"text": "aGk="}},
}

INPUTS = (DataSpec("note", 0), DataSpec("sound", 1), DataSpec("picture", 2), DataSpec("film", 3))


def interface(*params: ParamSpec, inputs: tuple[DataSpec, ...] = INPUTS) -> Interface:
    return Interface("echo", "v1", "", params, inputs, (DataSpec("answer", 0),), ("cpu",), True, Limits())


PLAIN = build_envelope_schema(interface())


def set_member(document: Any, pointer: str, value: Any) -> None:
    """Sets a member, or drops it; objects on the way are made."""
    *way, last = pointer.split("/")[1:]
    for name in way:
        document = document.setdefault(name, {})
    if value is MISSING:
        del document[last]
    else:
        document[last] = value


def changed(pointer: str, value: Any) -> Any:
    """Returns the valid request with one member set, or dropped."""
    document = copy.deepcopy(BASE)
    set_member(document, pointer, value)
    return document


def refusal(document: Any) -> RequestError:
    with pytest.raises(RequestError) as error:
        validate_envelope(PLAIN, document)
    return error.value


def details(document: Any) -> list[tuple[str, str]]:
    error = refusal(document)
    assert (error.code, error.http_status) == (10163, 400)
    return [(problem.pointer, problem.detail) for problem in error.problems]


def accepts(document: Any, *params: ParamSpec) -> bool:
    schema = build_envelope_schema(interface(*params)) if params else PLAIN
    return bool(validate_envelope(schema, document) == document)


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (None, "must be an object, got null"),
        ([BASE], "must be an object, got a list"),
        ("x", "must be an object, got a string"),
        (True, "must be an object, got true or false"),
        (1.5, "must be an object, got a number"),
    ],
)
def test_request_that_is_no_object_is_refused_as_a_whole(document: Any, detail: str) -> None:
    assert details(document) == [("", detail)]


@pytest.mark.parametrize("name", ["header", "payload"])
def test_header_and_payload_must_be_there_and_not_null(name: str) -> None:
    assert details(changed(f"/{name}", MISSING)) == [(f"/{name}", "is required")]
    assert details(changed(f"/{name}", None)) == [(f"/{name}", "must be an object, got null")]


@pytest.mark.parametrize(
    "pointer", ["/header", "/parameter", "/parameter/echo", "/parameter/echo/answer", "/payload/note"]
)
@pytest.mark.parametrize("value", [[], "x", 1, True])
def test_what_is_an_object_cannot_be_anything_else(pointer: str, value: Any) -> None:
    assert details(changed(pointer, value)) == [(pointer, "must be an object")]


UNKNOWN = ["extra", "header/extra", "parameter/echo/extra", "parameter/echo/answer/extra", "payload/extra"]


@pytest.mark.parametrize("pointer", [*UNKNOWN, "payload/note/extra"])
@pytest.mark.parametrize("value", ["x", None, {}])
def test_unknown_member_is_refused_at_every_level(pointer: str, value: Any) -> None:
    assert details(changed(f"/{pointer}", value)) == [(f"/{pointer}", "is not known here")]


def test_all_that_is_wrong_is_told_at_once_with_pointers_of_rfc_6901() -> None:
    document = changed("/header/status", "3")
    document["payload"]["note"] = {"text": 5, "seq": -1}
    document["header"]["a/b~c"] = 1

    assert {pointer for pointer, _ in details(document)} == {
        "/header/status",
        "/payload/note/text",
        "/payload/note/seq",
        "/header/a~1b~0c",
    }


@pytest.mark.parametrize(
    "header", [{}, {"app_id": ""}, {"app_id": None}, {"appid": ""}, {"appid": None, "app_id": ""}]
)
def test_request_without_an_app_id_has_a_code_of_its_own(header: dict[str, Any]) -> None:
    error = refusal(changed("/header", {"status": 3, **header}))

    assert isinstance(error, AppIdError)
    assert (error.code, error.http_status) == (10313, 400)
    assert error.problems == (Problem("/header/app_id", "must be a text that is not empty"),)


@pytest.mark.parametrize(
    "header", [{"appid": "a"}, {"appid": "a", "app_id": ""}, {"appid": "", "app_id": "a"}]
)
def test_either_spelling_of_the_app_id_will_do(header: dict[str, Any]) -> None:
    assert accepts(changed("/header", {"status": 3, **header}))


def test_schema_is_judged_before_the_app_id() -> None:
    assert details(changed("/header", {"app_id": ""})) == [("/header/status", "is required")]


@pytest.mark.parametrize("pointer", [f"/header/{name}" for name in HEADER_FIELDS if name != "app_id"])
def test_null_passes_in_every_header_field(pointer: str) -> None:
    assert accepts(changed(pointer, None))


@pytest.mark.parametrize(
    "pointer",
    [
        *("/parameter", "/parameter/echo", "/parameter/echo/word", "/parameter/echo/gpu_type"),
        *("/parameter/echo/answer", "/parameter/echo/answer/format", "/payload/note", "/payload/note/text"),
        *("/payload/note/seq", "/payload/note/encoding", "/payload/picture/width"),
    ],
)
def test_null_passes_below_parameter_and_payload(pointer: str) -> None:
    word = ParamSpec("word", max_length=3, min_length=1, required=True)
    document = changed("/parameter/echo/word", "w")
    set_member(document, pointer, None)

    assert accepts(document, word)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        *((name, 50) for name in ("app_id", "appid", "uid", "did", "imei", "imsi", "mac", "device_id")),
        *(("res_id", 1024), ("directEngIp", 1024), ("sid", 64), ("ath_id", 64)),
        *(("data_cleaner_ttl", 13), ("scene", 32), ("live_push_url", 200)),
    ],
)
def test_header_text_is_limited_in_bytes(name: str, limit: int) -> None:
    pointer = f"/header/{name}"

    assert accepts(changed(pointer, "x" * limit))
    assert accepts(changed(pointer, "é" * (limit // 2)))
    too_long = f"must have at most {limit} bytes, has {limit + 2 - limit % 2}"
    assert details(changed(pointer, "é" * (limit // 2 + 1))) == [(pointer, too_long)]
    assert details(changed(pointer, 5)) == [(pointer, "must be a string, got a number")]


@pytest.mark.parametrize(
    ("pointer", "value", "detail"),
    [
        ("/header/status", MISSING, "is required"),
        ("/header/status", 0, "must be 3 (the whole request in one message)"),
        ("/header/status", "3", "must be an integer, got a string"),
        ("/header/status", True, "must be an integer, got true or false"),
        ("/header/status", 3.5, "must be an integer, got a number"),
        ("/header/net_type", "wlan", "must be one of: wifi, 2G, 3G, 4G, 5G"),
        ("/header/net_isp", "telecom", "must be one of: CMCC, CUCC, CTCC, other"),
        ("/header/patch_id", "x", "must be a list"),
        ("/header/request_id", 7, "must be a string, got a number"),
    ],
)
def test_header_field_is_refused(pointer: str, value: Any, detail: str) -> None:
    assert details(changed(pointer, value)) == [(pointer, detail)]


def test_pointer_leads_into_a_list() -> None:
    expected = [("/header/patch_id/1", "must be a string, got a number")]

    assert accepts(changed("/header/patch_id", ["a", "b"]))
    assert details(changed("/header/patch_id", ["a", 5])) == expected


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "a/b", "é", "a\n"])
def test_request_id_is_made_of_few_letters(value: str) -> None:
    assert accepts(changed("/header/request_id", "A.b_c:d-9".ljust(64, "x")))
    ((pointer, detail),) = details(changed("/header/request_id", value))

    assert pointer == "/header/request_id"
    assert detail.startswith("must be 1 to 64 letters")


@pytest.mark.parametrize(
    ("pointer", "good", "bad", "detail"),
    [
        ("encoding", "x" * 32, "x" * 33, "must have at most 32 bytes, has 33"),
        ("data_type", "x" * 32, 1, "must be a string, got a number"),
        ("compress", "gzip", "zip", "must be one of: raw, gzip"),
        ("format", "json", "yaml", "must be one of: plain, json, xml"),
        ("status", 0, 4, "Must be one of: 0, 1, 2, 3."),
        *(
            (name, 16000, "16000", "must be an integer, got a string")
            for name in ("sample_rate", "channels", "bit_depth", "frame_size", "frame_rate")
        ),
        ("width", 1, 0.5, "must be an integer, got a number"),
        ("height", 7, True, "must be an integer, got true or false"),
    ],
)
def test_attributes_of_an_expected_output(pointer: str, good: Any, bad: Any, detail: str) -> None:
    pointer = f"/parameter/echo/answer/{pointer}"

    assert accepts(changed(pointer, good))
    assert details(changed(pointer, bad)) == [(pointer, detail)]


@pytest.mark.parametrize(
    ("name", "limit"), [("category", 50), ("application_mode", 50), ("gpu_id", 64), ("gpu_type", 32)]
)
def test_every_ability_takes_the_scheduling_hints(name: str, limit: int) -> None:
    pointer = f"/parameter/echo/{name}"

    assert accepts(changed(pointer, "x" * limit))
    expected = f"must have at most {limit} bytes, has {limit + 1}"
    assert details(changed(pointer, "x" * (limit + 1))) == [(pointer, expected)]


def test_ability_may_declare_a_hint_with_its_own_limit() -> None:
    own = ParamSpec("category", max_length=60)

    assert accepts(changed("/parameter/echo/category", "x" * 60), own)


@pytest.mark.parametrize(
    ("pointer", "value", "detail"),
    [
        ("/payload/note/text", 5, "must be a string, got a number"),
        ("/payload/note/text", {}, "must be a string, got an object"),
        ("/payload/note/audio", "aGk=", "is not known here"),
        ("/payload/sound/text", "aGk=", "is not known here"),
        ("/payload/film/image", "aGk=", "is not known here"),
        ("/payload/note/encoding", "latin1", "must be one of: utf8, gb2312, gbk"),
        ("/payload/sound/encoding", "x" * 33, "must have at most 32 bytes, has 33"),
        ("/payload/note/format", "yaml", "must be one of: plain, json, xml"),
        ("/payload/sound/compress", "zip", "must be one of: raw, gzip"),
        ("/payload/picture/compress", "raw", "is not known here"),
        ("/payload/note/width", 1, "is not known here"),
        ("/payload/picture/frame_rate", 1, "is not known here"),
        ("/payload/film/status", 1, "must be 3 (the whole request in one message)"),
        ("/payload/sound/channels", "1", "must be an integer, got a string"),
        ("/payload/note/data_type", 1, "must be a string, got a number"),
    ],
)
def test_input_is_refused(pointer: str, value: Any, detail: str) -> None:
    assert details(changed(pointer, value)) == [(pointer, detail)]


@pytest.mark.parametrize(
    ("pointer", "good", "bad"),
    [
        ("/payload/note/seq", (0, 9_999_999), (-1, 10_000_000)),
        ("/payload/sound/sample_rate", (0, 8000), (-1,)),
        ("/payload/picture/height", (0, 8000), (-1,)),
        ("/payload/film/frame_rate", (0, 25), (-1,)),
    ],
)
def test_numbers_of_an_input_have_a_range(pointer: str, good: Any, bad: Any) -> None:
    assert all(accepts(changed(pointer, value)) for value in good)
    for value in bad:
        assert [place for place, _ in details(changed(pointer, value))] == [pointer]


@pytest.mark.parametrize("text", ["a b c", "aGk", "aG_k"])
def test_input_that_is_not_base64_is_refused_with_the_same_code(text: str) -> None:
    checked = validate_envelope(PLAIN, changed("/payload/note/text", text))

    with pytest.raises(RequestError) as error:
        prepare_job("0" * 32, interface(), checked, 16)

    assert error.value.code == 10163
    assert [problem.pointer for problem in error.value.problems] == ["/payload/note/text"]


def test_every_input_may_be_missing() -> None:
    assert accepts(changed("/payload", {}))


def test_ability_without_inputs_needs_no_payload() -> None:
    schema = build_envelope_schema(interface(inputs=()))
    document = {"header": {"app_id": "a", "status": 3}}

    assert validate_envelope(schema, document) == document


def test_numbers_with_a_needless_fraction_are_made_whole() -> None:
    document = orjson.loads(b'{"header":{"app_id":"a","status":3.0},"payload":{"note":{"seq":7.0}}}')

    checked = validate_envelope(PLAIN, document)

    assert orjson.dumps(checked) == b'{"header":{"app_id":"a","status":3},"payload":{"note":{"seq":7}}}'


class UserRequest:
    word = sdk.StringParamField("word", minLength=2, maxLength=4, required=True)
    color = sdk.StringParamField("color", enums=["red", "green"], maxLength=1)
    size = sdk.NumberParamField("size", minimum=-0.5, maximum=2)
    ratio = sdk.NumberParamField("ratio", enums=[0.5, 1])
    count = sdk.IntegerParamField("count", minimum=1, maximum=9)
    level = sdk.IntegerParamField("level", enums=[1, 500])
    loud = sdk.BooleanParamField("loud", default=True)
    text = sdk.StringBodyField("text")
    document = sdk.JsonBodyField("document")
    sound = sdk.AudioBodyField("sound")
    picture = sdk.ImageBodyField("picture")
    film = sdk.VideoBodyField("film")


class Wrapper(sdk.WrapperBase):
    requestCls = UserRequest()
    responseCls = None


DECLARED = declared_interface(Ability(Path("/nowhere"), "echo"), Wrapper())
DECLARED_SCHEMA = build_envelope_schema(DECLARED)


def declared(**params: Any) -> Any:
    return {**BASE, "parameter": {"echo": {"word": "word", **params}}, "payload": {}}


@pytest.mark.parametrize(
    ("name", "good", "bad", "detail"),
    [
        ("word", ["ab", "éé"], "a", "must have at least 2 bytes"),
        ("word", ["abcd"], "abcé", "must have at most 4 bytes, has 5"),
        ("color", ["red", "green"], "blue", "must be one of: red, green"),
        ("color", [], "Red", "must be one of: red, green"),
        ("size", [-0.5, 2, 0.1], 2.1, "Must be greater than or equal to -0.5 and less than or equal to 2."),
        ("size", [], "1", "must be a number, got a string"),
        ("size", [], True, "must be a number, got true or false"),
        ("ratio", [0.5, 1], 0.7, "must be one of: 0.5, 1"),
        ("count", [1, 9], 0, "Must be greater than or equal to 1 and less than or equal to 9."),
        ("count", [], 1.5, "must be an integer, got a number"),
        ("level", [1, 500], 2, "must be one of: 1, 500"),
        ("loud", [True, False], "true", "must be true or false, got a string"),
        ("loud", [], 1, "must be true or false, got a number"),
    ],
)
def test_declared_parameter_is_checked(name: str, good: list[Any], bad: Any, detail: str) -> None:
    for value in good:
        assert validate_envelope(DECLARED_SCHEMA, declared(**{name: value}))
    with pytest.raises(RequestError) as error:
        validate_envelope(DECLARED_SCHEMA, declared(**{name: bad}))

    assert error.value.problems == (Problem(f"/parameter/echo/{name}", detail),)


@pytest.mark.parametrize("pointer", ["/parameter", "/parameter/echo", "/parameter/echo/word"])
def test_declared_required_parameter_must_be_there(pointer: str) -> None:
    document = copy.deepcopy(declared())
    set_member(document, pointer, MISSING)

    with pytest.raises(RequestError) as error:
        validate_envelope(DECLARED_SCHEMA, document)

    assert error.value.problems == (Problem(pointer, "is required"),)


@pytest.mark.parametrize(
    ("key", "member"),
    [("text", "text"), ("document", "text"), ("sound", "audio"), ("picture", "image"), ("film", "video")],
)
def test_declared_input_carries_its_data_in_the_member_of_its_type(key: str, member: str) -> None:
    document = {**declared(), "payload": {key: {member: "aGk="}}}

    assert validate_envelope(DECLARED_SCHEMA, document) == document


@pytest.mark.parametrize("value", [1e20, -1, 2**31])
def test_number_that_describes_an_output_is_of_a_sensible_size(value: float) -> None:
    document = changed("/parameter/echo/answer/sample_rate", value)

    assert details(document)[0][0] == "/parameter/echo/answer/sample_rate"
