"""Requests without base64: a form with files, or one input alone as the body."""

import base64
import gzip
import json
import threading
import zlib
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from tests.e2e.conftest import ROOT, Stack, example

pytestmark = pytest.mark.e2e

PICTURE = ROOT / "abilities" / "mmocr" / "picture.jpg"


def words(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    boxes = answer.json()["payload"]["boxes"]["text"]
    return [box["text"] for box in boxes[0]["result"]]


@pytest.fixture(scope="module")
def expected(stack: Stack) -> list[str]:
    return words(stack.post("/mmocr", example("mmocr")))


def test_a_picture_alone_is_a_request(stack: Stack, expected: list[str]) -> None:
    answer = requests.post(
        f"{stack.url}/mmocr",
        params={"app_id": "me", "boxes.format": "json"},
        data=PICTURE.read_bytes(),
        headers={"Content-Type": "image/jpeg"},
        timeout=60,
    )

    assert words(answer) == expected


def test_a_form_with_a_file_is_a_request(stack: Stack, expected: list[str]) -> None:
    with PICTURE.open("rb") as file:
        answer = requests.post(
            f"{stack.url}/v1/private/mmocr",
            data={"app_id": "me", "boxes.format": "json", "gpu_type": "cpu"},
            files={"data": file},
            timeout=60,
        )

    assert words(answer) == expected


def test_a_form_may_hold_an_envelope(stack: Stack) -> None:
    envelope = {
        "header": {"app_id": "me", "status": 3},
        "parameter": {"echo": {"suffix": "!", "text": {"format": "plain"}}},
    }
    parts: Any = {
        "request": (None, json.dumps(envelope), "application/json"),
        "text": ("a.txt", "你好".encode("gbk"), "text/plain; charset=gbk"),
    }

    answer = requests.post(f"{stack.url}/echo", files=parts, timeout=60).json()

    job_id = answer["header"]["sid"]
    output = requests.get(f"{stack.url}/v1/jobs/{job_id}/outputs/text", timeout=60)
    assert output.content.decode() == "你好!"


TEXT = {"text": {"text": base64.b64encode(b"hello").decode()}}
ENVELOPE = {"header": {"app_id": "me", "status": 3}, "payload": TEXT}


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/echo", "application/json", json.dumps(ENVELOPE).encode()),
        ("/v1/private/echo", "application/json; charset=utf-8", json.dumps(ENVELOPE).encode()),
        ("/echo?app_id=me", "application/octet-stream", b"hello"),
        ("/echo?app_id=me", "text/plain", b"hello"),
        (
            "/echo?app_id=me",
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhello\r\n--x--\r\n',
        ),
        ("/v1/jobs", "application/json", json.dumps([{"service_id": "echo", **ENVELOPE}]).encode()),
    ],
)
def test_a_packed_body_is_what_it_holds(stack: Stack, path: str, content_type: str, body: bytes) -> None:
    def send(data: bytes, coding: str) -> requests.Response:
        headers = {"Content-Type": content_type, "Content-Encoding": coding}
        return requests.post(stack.url + path, data=data, headers=headers, timeout=60)

    for coding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        answer = send(packed, coding)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        job_id = document["jobs"][0]["id"] if "jobs" in document else document["header"]["sid"]
        stack.job(job_id, 30)
        output = requests.get(f"{stack.url}/v1/jobs/{job_id}/outputs/text", timeout=60)
        assert output.content == b"hello"

    broken, unknown = send(body, "gzip"), send(body, "br")
    bomb = send(gzip.compress(bytes(100_000_000)), "gzip")

    assert (broken.status_code, unknown.status_code, bomb.status_code) == (400, 415, 413)
    assert "is not gzip data; its content-encoding says gzip" in broken.text
    assert unknown.headers["Accept-Encoding"] == "gzip, deflate"


def test_the_same_upload_may_be_sent_twice(stack: Stack) -> None:
    """Each form has a boundary of its own; it is no part of the request."""
    sent = {"app_id": "twice", "request_id": "upload-1"}

    def send(text: bytes) -> requests.Response:
        return requests.post(f"{stack.url}/echo", data=sent, files={"text": ("a", text)}, timeout=60)

    first, second, other = send(b"a"), send(b"a"), send(b"b")

    assert first.status_code == second.status_code == 200
    assert first.json()["header"]["sid"] == second.json()["header"]["sid"]
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("content_type", "body", "status", "detail"),
    [
        ("multipart/form-data", b"x", 400, "names no boundary"),
        ("multipart/form-data; boundary=x", b"", 400, "is not multipart/form-data"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="request"\r\n\r\n[1]\r\n--x--\r\n',
            400,
            "must be a JSON object",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="request"\r\n\r\n{\r\n--x--\r\n',
            400,
            "is not JSON",
        ),
        ("application/x-www-form-urlencoded", b"a=b", 415, "content-type must be"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    stack: Stack, content_type: str, body: bytes, status: int, detail: str
) -> None:
    answer = requests.post(f"{stack.url}/echo", data=body, headers={"Content-Type": content_type}, timeout=60)

    assert answer.status_code == status
    assert detail in answer.json()["header"]["message"]


def test_a_name_that_nobody_knows_is_pointed_at(stack: Stack) -> None:
    answer = requests.post(
        f"{stack.url}/echo?app_id=me&sufix=a", data=b"a", headers={"Content-Type": "text/plain"}, timeout=60
    )

    assert answer.status_code == 400
    assert answer.json()["header"]["errors"][0]["pointer"] == "/parameter/echo/sufix"


def test_an_upload_over_the_limit_is_refused(stack: Stack) -> None:
    body = b"x" * (17 * 1024 * 1024)

    answer = requests.post(
        f"{stack.url}/echo?app_id=me", data=body, headers={"Content-Type": "text/plain"}, timeout=60
    )

    assert answer.status_code == 413


def test_a_file_that_base64_makes_too_large_hears_that_it_fits_without(stack: Stack) -> None:
    file = b"x" * (13 * 1024 * 1024)
    request = example("echo")
    request["payload"]["text"]["text"] = base64.b64encode(file).decode()
    headers = {"Content-Type": "text/plain", "Prefer": "respond-async"}

    refused = stack.post("/echo", request)
    sent = requests.post(f"{stack.url}/echo?app_id=me", data=file, headers=headers, timeout=60)

    assert refused.status_code == 413
    size = len(json.dumps(request))
    assert f"has {size} bytes; the limit is 16777216; base64 makes a file a third larger" in refused.text
    assert sent.status_code == 202, sent.text
    stack.wait_state(sent.json()["job"]["id"], "succeeded")


def test_data_that_is_not_what_its_encoding_says_is_warned_of(stack: Stack, expected: list[str]) -> None:
    request = example("mmocr")
    request["payload"]["data"]["encoding"] = "png"
    request["header"]["request_id"] = None

    answer = stack.post("/mmocr", request)

    assert words(answer) == expected
    warning = {"pointer": "/payload/data/image", "detail": "looks like jpg, although its encoding is png"}
    assert answer.json()["header"]["warnings"] == [warning]
    shown = requests.get(f"{stack.url}/v1/jobs/{answer.json()['header']['sid']}", timeout=60).json()
    assert shown["header"]["warnings"] == [warning]


def test_what_fits_has_no_warnings(stack: Stack) -> None:
    assert "warnings" not in stack.post("/mmocr", example("mmocr")).json()["header"]


def by_reference(url: str) -> dict[str, Any]:
    request = example("echo")
    request["payload"]["text"] = {"dataSrc": "http", "url": url}
    return cast(dict[str, Any], request)


def test_references_are_off_where_nobody_allowed_them(stack: Stack) -> None:
    answer = stack.post("/echo", by_reference("http://127.0.0.1:1/a"))

    assert (answer.status_code, answer.json()["header"]["code"]) == (400, 10009)
    assert "ATHENA_FETCH_HOSTS" in answer.json()["header"]["message"]


def test_a_reference_is_fetched(
    start_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("from afar")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "files"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        port = server.server_address[1]
        monkeypatch.setenv("ATHENA_FETCH_HOSTS", f"localhost:{port}")
        monkeypatch.setenv("ATHENA_FETCH_NETWORKS", "127.0.0.0/8,::1")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            stack = start_stack("--ability", str(ROOT / "abilities" / "echo"))
            stack.wait_ready()
            found = stack.post("/echo", by_reference(f"http://localhost:{port}/a.txt"))
            missing = stack.post("/echo", by_reference(f"http://localhost:{port}/b.txt"))
            broken = stack.post("/echo", {**by_reference(f"http://localhost:{port}/a.txt"), "header": {}})
        finally:
            server.shutdown()
            thread.join()

    assert found.json()["payload"]["text"]["text"] == base64.b64encode(b"from afar").decode()
    assert missing.json()["header"]["errors"] == [
        {"pointer": "/payload/text/url", "detail": "answered with status 404"}
    ]
    assert broken.json()["header"]["code"] == 10163
