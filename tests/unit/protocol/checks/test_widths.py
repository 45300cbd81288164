"""However wide or deep a request is, its refusal is quick and short, whichever way it came in."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields

from api.app import create_server
from api.gateway.gateway import Gateway
from api.gateway.submitter import Submitter
from api.http.problems import MAX_ERRORS, error_body
from api.http.request_body import ByteBudget
from athena.errors import RequestError
from athena.protocol.checks.fields import ObjectOf
from athena.protocol.checks.schema import RequestSchema, build_envelope_schema, validate_envelope
from athena.protocol.checks.widths import MAX_DEPTH, MAX_INPUTS, MAX_MEMBERS, MAX_VALUES, check_text, walk
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from athena.settings import from_env
from tests.mutations import JSON_VALUES

WIDE = 100_000

#: What is right is 0.1 s; slow machines, and those that measure coverage, get the rest.
MOST_CPU_S = 1.0
MOST_ANSWER_BYTES = 20_000

DECLARED = Interface(
    "echo",
    "v1",
    "",
    (ParamSpec("word", max_length=5, required=True), ParamSpec("size", "number"), ParamSpec("n", "integer")),
    (DataSpec("text", 0), DataSpec("picture", 2, members=(ParamSpec("image"), ParamSpec("w", "integer")))),
    (DataSpec("answer", 0), DataSpec("boxes", 0, members=(ParamSpec("format"),))),
    ("cpu",),
    True,
    Limits(),
)
OPEN = Interface("open", "v1", "", (), (), (), ("cpu",), True, Limits())
INTERFACES = {interface.service_id: interface for interface in (DECLARED, OPEN)}
SCHEMAS = {name: build_envelope_schema(interface) for name, interface in INTERFACES.items()}


def places(schema: Schema, way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the ways to all objects and lists that a schema judges, and to one field of each other kind."""
    yield way
    kinds = set()
    for name, field in schema.fields.items():
        kind = (type(field), *map(type, field.validators))
        if isinstance(field, fields.Nested):
            yield from places(field.schema, (*way, name))
        elif isinstance(field, ObjectOf):
            yield (*way, name)
            assert isinstance(field.inner, fields.Nested)
            yield from places(field.inner.schema, (*way, name, "any"))
        elif kind not in kinds and len(way) < 3:
            kinds.add(kind)
            yield (*way, name)


def request(service_id: str = "echo") -> dict[str, Any]:
    return {"header": {"app_id": "a", "status": 3}, "parameter": {service_id: {}}, "payload": {}}


def with_value(way: tuple[str, ...], value: Any, service_id: str) -> Any:
    """Returns a request that holds a value at a place, merged with what is there already."""
    document: Any = request(service_id)
    if not way:
        return {**document, **value} if isinstance(value, dict) else value
    node = document
    for name in way[:-1]:
        node = node.setdefault(name, {})
    here = node.get(way[-1])
    node[way[-1]] = {**here, **value} if isinstance(here, dict) and isinstance(value, dict) else value
    return document


WRONG: dict[str, Callable[[], Any]] = {
    "members": lambda: {f"k{number}": number for number in range(WIDE)},
    "objects": lambda: {f"k{number}": {"text": number} for number in range(WIDE // 2)},
    "lists": lambda: [[number] for number in range(WIDE // 2)],
    "long names": lambda: {f"{number}{'ä' * 1000}": number for number in range(1000)},
    "lists under a long name": lambda: {"x" * 100_000: [[]] * 15_000},
}
PLACES = [(name, way) for name, schema in SCHEMAS.items() for way in places(schema.schema)]


def assert_quick_and_short(name: str, call: Callable[[], bytes]) -> bytes:
    begin_s = time.process_time()
    answer = call()
    taken_s = time.process_time() - begin_s
    assert taken_s < MOST_CPU_S, f"{name}: {taken_s:.3f} s"
    assert len(answer) < MOST_ANSWER_BYTES, f"{name}: {len(answer)} bytes"
    return answer


def refusal_of(schema: RequestSchema, raw: bytes) -> bytes:
    """Returns the answer for a wrong request; b"" for one that is right."""
    try:
        validate_envelope(schema, orjson.loads(raw))
    except RequestError as error:
        return error_body(error, "")
    return b""


@pytest.mark.parametrize("kind", WRONG)
def test_no_place_of_a_schema_is_judged_member_by_member(kind: str) -> None:
    value = WRONG[kind]()
    for service_id, way in PLACES:
        raw = orjson.dumps(with_value(way, value, service_id))
        schema = SCHEMAS[service_id]

        def call(raw: bytes = raw, schema: RequestSchema = schema) -> bytes:
            return refusal_of(schema, raw)

        answer = assert_quick_and_short(f"{kind} at /{'/'.join(way)}", call)
        is_open = service_id == "open" and way[:1] != ("header",) and len(way) > 1
        assert answer or is_open, way


def test_places_were_found() -> None:
    ways = {way for _, way in PLACES}

    assert {(), ("header",), ("header", "patch_id"), ("payload",), ("payload", "text")} <= ways
    assert {("parameter", "echo", "answer"), ("payload", "any"), ("payload", "any", "text")} <= ways


def test_a_schema_whose_every_place_is_wide_is_refused_at_once() -> None:
    wide = {f"k{number}": number for number in range(2000)}
    document: Any = {"header": dict(wide), "parameter": {"echo": {"answer": wide, "boxes": wide, **wide}}}
    document["payload"] = {"text": wide, "picture": wide, **wide}

    header = json.loads(
        assert_quick_and_short("all", lambda: refusal_of(SCHEMAS["echo"], orjson.dumps(document)))
    )

    pointers = [problem["pointer"] for problem in header["header"]["errors"]]
    assert pointers == ["/header", "/parameter/echo", "/payload"]


def problems_of(document: Any, service_id: str = "echo") -> list[tuple[str, str]]:
    with pytest.raises(RequestError) as error:
        validate_envelope(SCHEMAS[service_id], document)
    return [(problem.pointer, problem.detail) for problem in error.value.problems]


def test_refusal_names_the_place_and_the_number() -> None:
    document = request()
    document["header"]["patch_id"] = ["a"] * 2000
    assert problems_of(document) == [("/header/patch_id", "has 2000 items; at most 1000 are accepted")]

    document = request("open")
    document["payload"] = {f"i{number}": {"text": ""} for number in range(MAX_INPUTS + 1)}
    assert problems_of(document, "open") == [("/payload", "has 257 members; at most 256 are accepted")]

    document = request("open")
    document["parameter"]["open"] = {f"p{number}": "x" for number in range(MAX_MEMBERS + 1)}
    assert problems_of(document, "open") == [
        ("/parameter/open", "has 1001 members; at most 1000 are accepted")
    ]

    document = request("open")
    document["parameter"]["open"]["list"] = [1] * MAX_VALUES
    assert problems_of(document, "open")[0][0] == "/parameter/open/list"


def test_what_is_wide_and_right_is_accepted() -> None:
    document = request("open")
    document["payload"] = {f"i{number}": {"text": ""} for number in range(MAX_INPUTS)}
    document["parameter"]["open"] = {f"p{number}": "x" for number in range(MAX_MEMBERS - 1)}
    document["parameter"]["open"]["list"] = [1.5] * 15_000

    assert validate_envelope(SCHEMAS["open"], document) == document


@pytest.mark.parametrize("depth", [MAX_DEPTH - 3, MAX_DEPTH - 2, 900])
@pytest.mark.parametrize("kind", [list, dict])
def test_depth_is_bounded(depth: int, kind: type) -> None:
    value: Any = kind()
    for _ in range(depth - 1):
        value = [value] if kind is list else {"x": value}
    document = request("open")
    document["parameter"]["open"]["deep"] = value

    if depth <= MAX_DEPTH - 3:
        assert validate_envelope(SCHEMAS["open"], document) == document
    else:
        ((pointer, detail),) = problems_of(document, "open")
        assert pointer.startswith("/parameter/open/deep/")
        assert detail == "is nested more than 32 levels deep"


def test_errors_end_at_fifty_and_tell_how_many_more() -> None:
    document = request()
    document["header"].update({f"k{number}": 1 for number in range(80)})
    del document["parameter"]

    header = json.loads(refusal_of(SCHEMAS["echo"], orjson.dumps(document)))["header"]

    assert len(header["errors"]) == MAX_ERRORS == 50
    assert header["errors"][-1] == {"pointer": "", "detail": "and 32 more"}
    assert header["message"].endswith("(and 80 more)")


# Every way in, through the application.


class Knowing(Gateway):
    """A gateway without Redis that knows two abilities."""

    def __init__(self) -> None:
        super().__init__(from_env({"ATHENA_REDIS_URL": "redis://127.0.0.1:1/0"}))
        self.watch.schemas.update({name: (INTERFACES[name], SCHEMAS[name]) for name in INTERFACES})


def ask(path: str, content_type: str, raw: bytes) -> tuple[int, bytes]:
    """Sends a request to the whole application; returns the status and the body of the answer."""
    path, _, query = path.partition("?")
    headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(raw))]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), *headers],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def exchange() -> None:
        await create_server(Knowing(), ByteBudget(10**9))(scope, receive, send)

    asyncio.run(exchange())
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


FORM = "multipart/form-data; boundary=x"


def form(*parts: tuple[str, bytes], more: bytes = b"") -> bytes:
    heads = (
        b"--x\r\nContent-Disposition: form-data; name=%s%s\r\n\r\n" % (name.encode(), more)
        for name, _ in parts
    )
    bodies = (body for _, body in parts)
    return b"".join(head + body + b"\r\n" for head, body in zip(heads, bodies, strict=True)) + b"--x--\r\n"


def wide_request() -> Any:
    return with_value(("header",), WRONG["members"](), "echo")


def many_fields(count: int = WIDE) -> list[str]:
    return [f"payload.text.k{number}" for number in range(count)]


WAYS: dict[str, Callable[[], tuple[str, str, bytes]]] = {
    "envelope": lambda: ("/echo", "application/json", orjson.dumps(wide_request())),
    "inputs that name sources": lambda: (
        "/echo",
        "application/json",
        orjson.dumps(
            with_value(
                ("payload",),
                {f"k{n}": {"dataSrc": "http", "url": "http://x/"} for n in range(15_000)},
                "echo",
            )
        ),
    ),
    "list": lambda: ("/echo", "application/json", orjson.dumps(list(range(WIDE)))),
    "one job of many": lambda: (
        "/v1/jobs",
        "application/json",
        orjson.dumps([{"service_id": "echo", **wide_request()}]),
    ),
    "many jobs": lambda: ("/v1/jobs", "application/json", orjson.dumps([5] * WIDE)),
    "job of a long name": lambda: (
        "/v1/jobs",
        "application/json",
        orjson.dumps([{"service_id": "x" * WIDE}]),
    ),
    "part": lambda: ("/echo", FORM, form(("request", orjson.dumps(wide_request())))),
    "deep part": lambda: ("/echo", FORM, form(("request", b'{"payload":' + b"[" * 900 + b"]" * 900 + b"}"))),
    "parts": lambda: ("/echo", FORM, form(*((name, b"1") for name in many_fields()))),
    "thousand parts": lambda: ("/echo", FORM, form(*((name, b"1") for name in many_fields(1000)))),
    "headers of a part": lambda: (
        "/echo",
        FORM,
        form(("word", b"x"), more=b"".join(b"\r\nx-%d: 1" % number for number in range(WIDE))),
    ),
    "options of a part": lambda: (
        "/echo",
        FORM,
        form(("word", b"x"), more=b"".join(b"; x%d=1" % number for number in range(WIDE))),
    ),
    "before the first part": lambda: ("/echo", FORM, b"--x-\r\n" * WIDE + form(("word", b"x"))),
    "query": lambda: ("/echo?" + "&".join(f"{name}=1" for name in many_fields(4000)), "text/plain", b"hi"),
    "raw": lambda: ("/echo?word=" + "x" * 20_000, "text/plain", b"[" * WIDE),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_refuses_what_is_wide(way: str) -> None:
    path, content_type, raw = WAYS[way]()
    statuses: list[int] = []

    def call() -> bytes:
        status, body = ask(path, content_type, raw)
        statuses.append(status)
        return body

    answer = assert_quick_and_short(way, call)

    (status,) = statuses
    if "jobs" in path and status == 200:
        (item,) = json.loads(answer)["jobs"]
        assert item["error"]["status"] in (400, 503)
    else:
        assert status == 400, answer


def test_wrong_jobs_of_one_request_list_so_many_problems_as_one_alone() -> None:
    item = {"service_id": "echo", **request()}
    item["header"] = {f"k{number}": 1 for number in range(20)}

    status, body = ask("/v1/jobs", "application/json", orjson.dumps([item] * 200))

    errors = [result["error"] for result in json.loads(body)["jobs"]]
    assert (status, len(errors)) == (200, 200)
    assert sum(len(error.get("errors", ())) for error in errors) <= MAX_ERRORS
    assert all(error["message"].endswith("more)") for error in errors)


def test_submitter_looks_at_widths_before_it_looks_for_sources() -> None:
    node = {"dataSrc": "http", "url": "http://x/"}
    document = with_value(("payload",), {f"k{number}": node for number in range(1000)}, "echo")
    submitter = Submitter(Knowing())

    with pytest.raises(RequestError, match="too large for its schema"):
        asyncio.run(submitter.validate(DECLARED, SCHEMAS["echo"], document, 10**6))


texts_with_quotes = st.lists(st.text('",\\\\ a'), max_size=4)


@settings(deadline=None, derandomize=True)
@given(JSON_VALUES | texts_with_quotes, st.booleans(), st.integers(1, 20))
def test_values_are_counted_in_the_text_as_in_the_document(
    document: Any, is_spaced: bool, block_bytes: int
) -> None:
    separators = (" , ", " : ") if is_spaced else (",", ":")
    raw = json.dumps(document, separators=separators).encode()
    commas = sum(max(0, len(place.container) - 1) for place in walk(document))

    with mock.patch("athena.protocol.checks.widths.BLOCK_BYTES", block_bytes):
        check_text(raw, limit=commas)
        if commas:
            with pytest.raises(RequestError, match="too large"):
                check_text(raw, limit=commas - 1)


def test_commas_in_texts_are_no_values() -> None:
    text = 'a,\\",' * MAX_VALUES

    check_text(json.dumps({"word": text, "n": [1, 2]}).encode())


def test_many_jobs_with_long_numbers_are_read_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [{"service_id": "open", **request("open"), "x": 10**30} for _ in range(20)]
    read: list[bytes] = []

    def loads(raw: bytes) -> Any:
        read.append(raw)
        return json.loads(raw)

    monkeypatch.setattr("api.views.bulk.json", SimpleNamespace(loads=loads))
    status, answer = ask("/v1/jobs", "application/json", json.dumps({"jobs": jobs}).encode())

    assert status == 200
    assert b"accepted 0 of 20" in answer
    assert len(read) == 1
