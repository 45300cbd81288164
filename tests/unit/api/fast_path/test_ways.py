"""Whichever way a request takes, its body is parsed once."""

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from api.fast_path.direct_protocol import MAX_BYTES
from api.http.asgi import AsgiServer, InlineFlask
from athena.jobs.record import JobRecord
from athena.protocol.checks.schema import build_envelope_schema
from athena.protocol.interface import DataSpec, Interface, Limits
from tests.callers import REQUEST, Knowing, post
from tests.listener import Answered, Client, Listener, listening

ROOT = Path(__file__).parents[4]

#: What makes a request go to the application, or to Flask, that would be answered directly.
TO_APPLICATION = {"content_encoding": "identity"}
TO_FLASK = {"prefer": "return=minimal"}

LARGE = {**REQUEST, "payload": {"text": {"text": "aGVs" * (MAX_BYTES // 4)}}}


def with_header(**fields: Any) -> dict[str, Any]:
    return {**REQUEST, "header": {"app_id": "demo", "status": 3, **fields}}


class Ending(Knowing):
    """A gateway whose jobs end as soon as they are submitted."""

    def __init__(self) -> None:
        super().__init__()
        self.ends_at_once = True
        self.origins.known_hosts.add(b"x")
        limits = Limits()
        for interface in (
            Interface("echo", "v1", "", (), (DataSpec("text", 0),), (), ("cpu",), True, limits),
            Interface(
                "mmocr", "v1", "", (), (DataSpec("data", 2),), (DataSpec("boxes", 0),), ("cpu",), True, limits
            ),
        ):
            self.watch.schemas[interface.service_id] = (interface, build_envelope_schema(interface))

    async def store_payload(self, job_id: str, payload: bytes | None) -> None:
        """There is nowhere to put it."""

    async def read(self, job_id: str, attach: bool = False) -> JobRecord | None:
        raw = {b"state": b"queued", b"service_id": b"echo", b"queue": b"echo.any", b"queued_ms": b"7"}
        return JobRecord.decode(job_id, raw, None)


class Steps:
    """Notes what is done for a request."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.parsed: list[bytes] = []
        self.way = "direct"
        read = {parser: parser.loads for parser in (orjson, json)}

        def note(parser: Any) -> Any:
            def loads(raw: Any, **options: Any) -> Any:
                self.parsed.append(bytes(raw) if isinstance(raw, bytes | bytearray) else raw.encode())
                return read[parser](raw, **options)

            return loads

        for parser in read:
            patch.setattr(parser, "loads", note(parser))
        self._note_way(patch, AsgiServer, "_http", "application")
        self._note_way(patch, InlineFlask, "preprocess_request", "flask")

    def _note_way(self, patch: pytest.MonkeyPatch, owner: Any, name: str, way: str) -> None:
        original = getattr(owner, name)

        def noting(*arguments: Any) -> Any:
            self.way = way
            return original(*arguments)

        patch.setattr(owner, name, noting)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(Ending()) as running:
        yield running


def asked(listener: Listener, request_bytes: bytes) -> Answered:
    with Client(listener) as client:
        client.send(request_bytes)
        return client.answer()


class Sent(Exception):
    """Raised in place of sending a request."""

    def __init__(self, request: requests.PreparedRequest) -> None:
        super().__init__()
        self.request = request


def readme_request(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Returns what README's client sends."""

    def send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> None:
        raise Sent(request)

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    script = next(block for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    monkeypatch.chdir(ROOT / "abilities" / "mmocr")
    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "send", send)
        # It leaves its picture open.
        with pytest.raises(Sent) as sent, warnings.catch_warnings(action="ignore"):
            exec(script, {})
    request = sent.value.request
    assert isinstance(request.body, str) and '"request_id": null' in request.body
    fields = {name.lower().replace("-", "_"): str(value) for name, value in request.headers.items()}
    return post(request.body.encode(), request.path_url, **fields)


@pytest.mark.parametrize(
    ("request_bytes", "way", "status"),
    [
        (post(), "direct", 200),
        (post(with_header(request_id=None)), "direct", 200),
        (post(with_header(request_id="r-1")), "direct", 200),
        (post(with_header(app_id="演示应用")), "direct", 200),
        (post(json.dumps(with_header(app_id="演示应用"), ensure_ascii=False).encode()), "direct", 200),
        (post(with_header(app_id="é" * 25)), "direct", 200),
        (post(with_header(app_id="é" * 26)), "flask", 400),
        (post({**REQUEST, "payload": {"text": {"text": "no base64!"}}}), "direct", 400),
        (post(b"{"), "flask", 400),
        (post([]), "flask", 400),
        (post(with_header(app_id="")), "flask", 400),
        (post(with_header(status=4)), "flask", 400),
        (post(with_header(status=3.0)), "flask", 200),
        (post({**REQUEST, "payload": {"text": {"text": "aGk=", "dataSrc": "client"}}}), "flask", 200),
        (post(**TO_APPLICATION), "application", 200),
        (post(with_header(request_id="r-1"), **TO_APPLICATION), "application", 200),
        (post(with_header(status=4), **TO_APPLICATION), "flask", 400),
        (post(b"{", **TO_APPLICATION), "flask", 400),
        (post(LARGE), "application", 200),
        (post({**LARGE, "header": {}}), "flask", 400),
        (post(**TO_FLASK), "flask", 200),
        (post(b"{", **TO_FLASK), "flask", 400),
        (post(prefer="respond-async"), "flask", 202),
    ],
)
def test_body_is_parsed_once(
    request_bytes: bytes, way: str, status: int, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)

    answer = asked(listener, request_bytes)

    assert (steps.way, answer.status) == (way, status)
    assert steps.parsed == [request_bytes.partition(b"\r\n\r\n")[2]]


def test_client_of_readme_is_answered_directly(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    request_bytes = readme_request(monkeypatch)
    steps = Steps(monkeypatch)

    answer = asked(listener, request_bytes)

    assert (steps.way, answer.status) == ("direct", 200)
    assert steps.parsed == [request_bytes.partition(b"\r\n\r\n")[2]]


def test_schema_is_asked_once(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    interface, schema = listener.gateway.ability("echo")
    judged: list[Any] = []

    def quick_check(document: Any) -> bool:
        judged.append(document)
        return schema.quick_check(document)

    listener.gateway.watch.schemas["echo"] = (interface, replace(schema, quick_check=quick_check))

    assert asked(listener, post(with_header(status=4))).status == 400
    assert len(judged) == 1


def test_job_that_redis_has_lost_before_its_caller_was_told_is_to_be_sent_again(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(job_id: str, attach: bool = False) -> None:
        """Redis went back to an older state."""

    monkeypatch.setattr(listener.gateway, "read", lost)

    answer = asked(listener, post(prefer="respond-async"))

    assert answer.status == 503
    assert "retry-after: 1\r\n" in answer.head + "\r\n"
    assert b"send the same request again" in answer.body


@pytest.mark.parametrize(
    ("request_bytes", "place"),
    [
        (post(prefer="respond-async"), "urls"),
        (post([{"service_id": "echo", **REQUEST}], "/v1/jobs"), "jobs"),
    ],
)
def test_addresses_of_jobs_begin_with_the_prefix_that_is_set(
    listener: Listener, request_bytes: bytes, place: str
) -> None:
    listener.gateway.settings = replace(listener.gateway.settings, url_prefix="/athena")

    answer = asked(listener, request_bytes)

    (job,) = listener.gateway.submitted
    url = f"/athena/v1/jobs/{job.job_id}"
    assert answer.document[place] in ({"job": url}, [{"id": job.job_id, "url": url}])
    assert place == "jobs" or f"\r\nlocation: {url}\r\n" in answer.head
