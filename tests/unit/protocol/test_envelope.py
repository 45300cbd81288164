"""The envelope's values: strings for wrappers, base64 in, JSON out."""

import base64
import json
from typing import Any

import pytest

from athena.errors import RequestError
from athena.protocol.envelope import (
    InputValue,
    OutputValue,
    flatten,
    new_job_id,
    read_inputs,
    render_outputs,
    render_payload,
    split_parameters,
    success_body,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-3, "-3"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (1e15, "1000000000000000.0"),
        (1e300, "1e+300"),
        (["a", 1, None, True], "a;1;;true"),
        ([], ""),
    ],
)
def test_scalar_becomes_the_string_that_wrappers_see(value: Any, text: str) -> None:
    assert flatten(value) == text


def test_job_ids_are_32_digits_and_never_the_same() -> None:
    ids = {new_job_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(len(job_id) == 32 and int(job_id, 16) >= 0 for job_id in ids)


def test_parameters_are_split_into_strings_and_expected_outputs() -> None:
    given = {"n": 3, "on": True, "none": None, "text": {"format": "json"}, "boxes": None}

    params, expected = split_parameters(given, {"text": 0, "boxes": 0})

    assert params == {"n": "3", "on": "true", "none": ""}
    assert expected == {"text": {"format": "json"}}


def test_input_is_decoded_and_its_attributes_become_strings() -> None:
    payload = {"pic": {"image": "aGk=", "encoding": "jpg", "status": 3, "width": 5, "seq": None}}

    inputs = read_inputs(payload, {"pic": 2})

    assert inputs == [InputValue("pic", 2, 3, "aGk=", b"hi", {"encoding": "jpg", "width": "5", "seq": ""})]


def test_inputs_keep_the_order_of_the_request() -> None:
    payload = {"b": {"text": "Yg=="}, "a": {"audio": "YQ=="}}

    inputs = read_inputs(payload, {"a": 1, "b": 0})

    assert [(item.key, item.type, item.data) for item in inputs] == [("b", 0, b"b"), ("a", 1, b"a")]


@pytest.mark.parametrize(
    "written",
    [
        base64.encodebytes(b"Q" * 200).decode(),
        base64.encodebytes(b"Q" * 200).decode().replace("\n", "\r\n"),
        " \t" + base64.b64encode(b"Q" * 200).decode() + "\r\n",
        " ".join(base64.b64encode(b"Q" * 200).decode()),
    ],
)
def test_base64_may_be_broken_into_lines_as_people_s_tools_do(written: str) -> None:
    (item,) = read_inputs({"t": {"text": written}}, {"t": 0})

    assert (item.data, item.text) == (b"Q" * 200, base64.b64encode(b"Q" * 200).decode())


@pytest.mark.parametrize("status", [{}, {"status": None}])
def test_input_without_a_status_is_whole(status: dict[str, Any]) -> None:
    (item,) = read_inputs({"t": {"text": "", **status}}, {"t": 0})

    assert (item.status, item.data) == (3, b"")


@pytest.mark.parametrize("value", [None, {}, {"text": None}, {"encoding": "utf8"}])
def test_input_that_is_null_or_has_no_data_is_left_out(value: Any) -> None:
    assert read_inputs({"t": value}, {"t": 0}) == []


@pytest.mark.parametrize("text", ["aGk", "a", "a!==", "aGk\n", " a", "aG_k", "ä", "aGk==", "aGk=\xa0"])
def test_bad_base64_is_refused_with_its_pointer(text: str) -> None:
    with pytest.raises(RequestError) as error:
        read_inputs({"ok": {"text": ""}, "pic": {"image": text}}, {"ok": 0, "pic": 2})

    (problem,) = error.value.problems
    assert problem.pointer == "/payload/pic/image"
    assert "base64" in problem.detail
    assert error.value.code == 10163


def rendered(data: bytes, attributes: dict[str, Any], type: int = 0) -> Any:
    payload = render_payload([OutputValue("out", type, 3, data)], {"out": attributes})
    return json.loads(payload)["out"]


def test_output_is_base64_beside_the_echoed_attributes() -> None:
    output = rendered(b"hi", {"encoding": "utf8", "seq": 9, "status": 1, "sample_rate": 8000}, 1)

    assert output == {"encoding": "utf8", "seq": 0, "status": 3, "sample_rate": 8000, "audio": "aGk="}


def test_json_output_is_a_document_when_json_was_asked_for() -> None:
    assert rendered(b'[1, {"a": "\xc3\xbc"}]', {"format": "json"})["text"] == [1, {"a": "ü"}]


@pytest.mark.parametrize("format", ["plain", "xml", None])
def test_json_output_is_base64_when_json_was_not_asked_for(format: str | None) -> None:
    assert rendered(b"[1]", {"format": format})["text"] == "WzFd"


@pytest.mark.parametrize("data", [b"[1", b"", b"NaN", b"\xff", b"[1] x", b"[" * 5000])
def test_output_that_is_not_json_is_base64_all_the_same(data: bytes) -> None:
    text = rendered(data, {"format": "json"})["text"]

    assert isinstance(text, str)
    assert rendered(data, {})["text"] == text


def test_output_that_nobody_described_has_no_attributes() -> None:
    payload = json.loads(render_payload([OutputValue("out", 0, 3, b"hi")], {}))

    assert payload == {"out": {"seq": 0, "status": 3, "text": "aGk="}}


@pytest.mark.parametrize("payload", [b"", b"{}"])
def test_answer_without_outputs_has_no_payload(payload: bytes) -> None:
    body = json.loads(success_body("j1", "cpu", payload))

    assert body == {
        "header": {"code": 0, "message": "success", "sid": "j1", "gpu_type": "cpu"},
    }


def test_answer_carries_the_payload_as_it_is() -> None:
    body = json.loads(success_body("j1", "cpu", b'{"text":{"text":"aGk="}}'))

    assert body["payload"] == {"text": {"text": "aGk="}}


@pytest.mark.parametrize("data", [b'{"score": NaN}', b"[1, -Infinity]", b"", b"\xff", b"{"])
def test_output_that_is_no_json_is_base64_with_a_warning_that_says_why(data: bytes) -> None:
    payload, warnings = render_outputs("ocr", [OutputValue("out", 0, 3, data)], {"out": {"format": "json"}})

    assert base64.b64decode(json.loads(payload)["out"]["text"]) == data
    (warning,) = warnings
    assert warning.pointer == "/parameter/ocr/out/format"
    assert warning.detail.startswith("the output is not JSON, so it is given as base64: ")


@pytest.mark.parametrize("attributes", [{}, {"format": "plain"}, {"format": "json", "compress": "gzip"}])
def test_there_is_no_warning_where_json_was_not_asked_for_or_is_packed(attributes: dict[str, Any]) -> None:
    output = OutputValue("out", 0, 3, b"[NaN]")

    assert render_outputs("ocr", [output], {"out": attributes})[1] == []
    assert render_outputs("ocr", [output._replace(data=b"[1]")], {"out": {"format": "json"}})[1] == []
