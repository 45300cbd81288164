"""Outputs read back from a rendered payload."""

import pytest

from athena.protocol.envelope import OutputValue, render_payload
from athena.protocol.interface import DataSpec
from athena.protocol.outputs import RenderedOutput, data_outputs, read_output


@pytest.mark.parametrize(
    ("output", "attributes", "content_type"),
    [
        (OutputValue("a", 0, 3, b"text"), {}, "text/plain; charset=utf-8"),
        (OutputValue("a", 0, 3, b"text"), {"encoding": "gbk"}, "text/plain; charset=gbk"),
        (OutputValue("a", 0, 3, b""), {"format": "plain"}, "text/plain; charset=utf-8"),
        (OutputValue("a", 0, 3, b"no json"), {"format": "json"}, "text/plain; charset=utf-8"),
        (OutputValue("a", 0, 3, b'{"x":1}'), {"format": "json"}, "application/json"),
        (OutputValue("a", 0, 3, b"[1,2]"), {"format": "json"}, "application/json"),
        (OutputValue("a", 0, 3, b'"a b"'), {"format": "json"}, "application/json"),
        (OutputValue("a", 2, 3, b"\xff\xd8"), {"encoding": "jpg"}, "image/jpeg"),
        (OutputValue("a", 2, 3, b"\x89PNG"), {"encoding": "png"}, "image/png"),
        (OutputValue("a", 2, 3, b"x"), {"encoding": "html"}, "application/octet-stream"),
        (OutputValue("a", 2, 3, b"x"), {}, "application/octet-stream"),
        (OutputValue("a", 1, 3, b"RIFF"), {"encoding": "mp3"}, "audio/mpeg"),
        (OutputValue("a", 3, 3, b"x"), {"encoding": "mp4"}, "video/mp4"),
    ],
)
def test_output_comes_back_as_the_wrapper_gave_it(
    output: OutputValue, attributes: dict[str, str], content_type: str
) -> None:
    payload = render_payload([OutputValue("b", 0, 3, b"other"), output], {"a": attributes})

    assert read_output(payload, "a", {}) == RenderedOutput(output.data, content_type)


def test_packed_output_stays_packed() -> None:
    payload = render_payload([OutputValue("a", 0, 3, b"text")], {"a": {"compress": "gzip"}})

    output = read_output(payload, "a", {})

    assert output is not None
    assert (output.data[:2], output.content_type) == (b"\x1f\x8b", "application/gzip")


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"b":{"text":""}}', b'{"a":null}', b'{"a":{}}'])
def test_output_that_is_not_there_is_none(payload: bytes) -> None:
    assert read_output(payload, "a", {}) is None


@pytest.mark.parametrize(
    ("output", "declared", "attributes", "content_type"),
    [
        (OutputValue("a", 0, 3, b"[1]"), DataSpec("a", is_json=True), {}, "application/json"),
        (OutputValue("a", 0, 3, b"no json"), DataSpec("a", is_json=True), {}, "text/plain; charset=utf-8"),
        (
            OutputValue("a", 0, 3, b"[1]"),
            DataSpec("a", is_json=True),
            {"encoding": "gbk"},
            "text/plain; charset=gbk",
        ),
        (OutputValue("a", 0, 3, b"[1]"), DataSpec("a"), {}, "text/plain; charset=utf-8"),
        (OutputValue("a", 2, 3, b"<svg/>"), DataSpec("a", 2, encoding="svg"), {}, "image/svg+xml"),
        (
            OutputValue("a", 2, 3, b"<svg/>"),
            DataSpec("a", 2, encoding="svg"),
            {"encoding": "jpg"},
            "image/jpeg",
        ),
        (OutputValue("a", 2, 3, b"\xff\xd8\xff"), DataSpec("a", 2, encoding="png"), {}, "image/jpeg"),
        (OutputValue("a", 2, 3, b"x"), DataSpec("a", 2, encoding="html"), {}, "application/octet-stream"),
        (OutputValue("a", 3, 3, b"x"), DataSpec("a", 3, encoding="mp4"), {}, "video/mp4"),
        (OutputValue("a", 4, 3, b"%PDF"), DataSpec("a", 4, encoding="pdf"), {}, "application/pdf"),
        (OutputValue("a", 4, 3, b"x"), DataSpec("a", 4, encoding="gz"), {}, "application/octet-stream"),
        (OutputValue("a", 4, 3, b"x"), DataSpec("a", 4), {"encoding": "pdf"}, "application/octet-stream"),
    ],
)
def test_declaration_tells_the_type_where_the_caller_and_the_bytes_do_not(
    output: OutputValue, declared: DataSpec, attributes: dict[str, str], content_type: str
) -> None:
    payload = render_payload([output], {"a": attributes})

    found = read_output(payload, "a", {"a": declared})

    assert found is not None and found.content_type == content_type


def test_data_outputs_are_of_the_declared_types() -> None:
    payload = render_payload([OutputValue("a", 0, 3, b"t"), OutputValue("b", 2, 3, b"<svg/>")], {})

    assert data_outputs(payload, {"b": DataSpec("b", 2, encoding="svg")}) == [
        RenderedOutput(b"<svg/>", "image/svg+xml")
    ]
