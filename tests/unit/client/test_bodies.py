"""Values by name, as a gateway reads them."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from athena.client.bodies import JSON, Body, File, Form, body_of, read_file


def read_form(body: Body) -> tuple[dict[str, str], dict[str, tuple[bytes, str]]]:
    """Returns fields and files as a server reads them."""
    boundary = parse_options_header(body.content_type)[1]["boundary"].encode()
    parser = MultiPartParser(stream_factory=lambda *_, **__: io.BytesIO())
    form, files = parser.parse(io.BytesIO(body.data), boundary, len(body.data))
    return form.to_dict(), {name: (file.read(), str(file.content_type)) for name, file in files.items()}


def test_values_without_data_are_one_object() -> None:
    values = {
        "n": 3,
        "yes": True,
        "rows": np.array([[1, 2]]),
        "one": np.float32(0.5),
        "no": None,
    }

    body = body_of({"text": "hé", **values}, {"drawing": {"encoding": "png"}})

    assert body.content_type == JSON
    assert json.loads(body.data) == {
        "text": "hé",
        "n": 3,
        "yes": True,
        "rows": [[1, 2]],
        "one": 0.5,
        "drawing": {"encoding": "png"},
    }


def test_data_makes_a_form_of_all_values(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    values: dict[str, Any] = {
        "picture": tmp_path / "a.png",
        "raw": b"--x\r\n",
        "open": io.BytesIO(b"opened"),
        "words": io.StringIO("hé"),
        "view": memoryview(b"v"),
        "text": "a b",
        "n": 3,
        "yes": True,
        "rows": [[1]],
        "no": None,
    }

    fields, files = read_form(body_of(values, {"drawing": {"width": 3, "encoding": "png"}}))

    assert fields == {
        "text": "a b",
        "n": "3",
        "yes": "true",
        "rows": "[[1]]",
        "drawing.width": "3",
        "drawing.encoding": "png",
    }
    assert files["picture"] == (b"\x89PNG", "image/png")
    assert {name: data for name, (data, _) in files.items() if name != "picture"} == {
        "raw": b"--x\r\n",
        "open": b"opened",
        "words": "hé".encode(),
        "view": b"v",
    }


@pytest.mark.parametrize(
    ("values", "expect", "words"),
    [
        ({"a": {1, 2}}, {}, "a set is no JSON"),
        ({"a": float("nan")}, {}, "JSON"),
        ({"a": {1}, "b": b""}, {}, "^a cannot be sent"),
        ({"a": 1}, {"a": {}}, "'a' is a value and an output"),
        ({'a"b': b""}, {}, "cannot be the name"),
        ({"a\r\nb": b""}, {}, "cannot be the name"),
        ({"": b""}, {}, "cannot be the name"),
    ],
)
def test_what_cannot_be_sent_is_told(values: dict[str, Any], expect: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        body_of(values, expect)


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing"):
        body_of({"a": tmp_path / "nothing"}, {})


def test_packed_file_is_not_what_its_inner_name_says(tmp_path: Path) -> None:
    (tmp_path / "a.svg.gz").write_bytes(b"x")

    assert read_file(tmp_path / "a.svg.gz") == File(b"x", "")


def test_form_names_its_job_and_owner_unless_it_does_already() -> None:
    own, own_id = Form([("request_id", "mine"), ("header.app_id", "me")]).owned("new", "shop")
    new, new_id = Form([("a", "b")]).owned("new", "shop")
    bare, bare_id = Form().owned("", "")

    assert (own.fields, own_id) == ((("request_id", "mine"), ("header.app_id", "me")), "mine")
    assert (new.fields, new_id) == ((("a", "b"), ("request_id", "new"), ("app_id", "shop")), "new")
    assert (bare.fields, bare_id) == ((), "")
