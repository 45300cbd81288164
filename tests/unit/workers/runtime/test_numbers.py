"""Numbers reach a wrapper as they were written, or are refused."""

import asyncio
import json
from typing import Any

import orjson
import pytest

from api.app import create_server
from api.gateway.call import open_call
from api.gateway.gateway import Gateway
from api.gateway.submissions import OnVerdict
from api.gateway.submitter import Submitter
from api.http.request_body import ByteBudget
from athena.errors import RequestError
from athena.fleet.routing import Route
from athena.jobs.intake import convert, prepare_job
from athena.jobs.record import JobRecord
from athena.protocol.checks.schema import build_envelope_schema, validate_envelope
from athena.protocol.envelope import flatten
from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from athena.settings import from_env
from athena.store.submission import Submission
from athena.store.verdicts import ACCEPTED

HUGE = 2**64
DIGITS = "123456789012345678901234567890"

ECHO = Interface(
    "echo",
    "v1",
    "",
    (ParamSpec("n", "integer"), ParamSpec("size", "number"), ParamSpec("top", "number", maximum=1e30)),
    (DataSpec("text", 0),),
    (DataSpec("answer", 0, members=(ParamSpec("n", "integer"), ParamSpec("size", "number"))),),
    ("cpu",),
    True,
    Limits(),
)
OPEN = Interface("open", "v1", "", (), (), (), ("cpu",), True, Limits())


class Noting(Gateway):
    """A gateway without Redis that notes which jobs it would queue."""

    def __init__(self) -> None:
        super().__init__(from_env({"ATHENA_REDIS_URL": "redis://127.0.0.1:1/0"}))
        for interface in (ECHO, OPEN):
            self.watch.schemas[interface.service_id] = (interface, build_envelope_schema(interface))
        self.params: list[dict[str, str]] = []

    def route(self, interface: Interface, hints: Any) -> Route:
        return Route(f"{interface.service_id}.any")

    def send(self, job: Submission, on_verdict: OnVerdict) -> None:
        body = orjson.loads(orjson.loads(job.message)["body"])
        self.params.append(body[0][0]["params"])
        on_verdict(ACCEPTED)

    async def read(self, job_id: str, attach: bool = False) -> JobRecord | None:
        return None


def envelope(service_id: str, params: str, payload: str = "{}") -> bytes:
    header = '{"app_id": "a", "status": 3}'
    return f'{{"header": {header}, "parameter": {{"{service_id}": {params}}}, "payload": {payload}}}'.encode()


def post(raw: bytes, path: str = "/echo", query: str = "", content_type: str = "application/json") -> Any:
    """Sends a request for a job that nobody waits for; returns its parameters in the queue, or the answer."""
    gateway = Noting()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", content_type.encode()),
            (b"prefer", b"respond-async"),
        ],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(create_server(gateway, ByteBudget(10**9))(scope, receive, send))
    return gateway.params or json.loads(sent[1]["body"])


NUMBERS = [str(HUGE), str(HUGE - 1), DIGITS, f"-{DIGITS}", str(-(2**63) - 1), "9" * 300, str(2**53 + 1)]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(("service_id", "name"), [("echo", "n"), ("echo", "size"), ("open", "x")])
def test_whole_number_of_any_length_reaches_the_wrapper_exactly(
    service_id: str, name: str, number: str
) -> None:
    raw = envelope(service_id, f'{{"{name}": {number}}}')

    assert post(raw, f"/{service_id}") == [{name: number}]


def test_jobs_of_one_request_have_exact_numbers_too() -> None:
    jobs = [{"service_id": "echo", **json.loads(envelope("echo", f'{{"n": {n}}}'))} for n in (1, HUGE, 2)]

    assert post(json.dumps(jobs).encode(), "/v1/jobs") == [{"n": "1"}, {"n": str(HUGE)}, {"n": "2"}]
    assert post(json.dumps({"jobs": jobs}).encode(), "/v1/jobs")[1] == {"n": str(HUGE)}


@pytest.mark.parametrize("number", NUMBERS)
def test_fields_of_queries_and_forms_are_exact(number: str) -> None:
    query = f"app_id=a&n={number}"
    part = b'--x\r\nContent-Disposition: form-data; name="request"\r\n\r\n%s\r\n--x--\r\n'
    form = part % envelope("echo", f'{{"n": {number}}}')

    assert post(b"hi", query=query, content_type="text/plain") == [{"n": number}]
    assert post(form, content_type="multipart/form-data; boundary=x") == [{"n": number}]


@pytest.mark.parametrize("number", ["nan", "inf", "-Infinity", "1_0", "1e999", "9" * 5000, "0x10", "1 2"])
def test_what_only_python_takes_for_a_number_is_none_in_a_query(number: str) -> None:
    for name in ("n", "size"):
        answer = post(b"hi", query=f"app_id=a&{name}={number}", content_type="text/plain")
        assert answer["header"]["errors"][0]["pointer"] == f"/parameter/echo/{name}"


@pytest.mark.parametrize("number", [str(HUGE), DIGITS])
@pytest.mark.parametrize(
    ("service_id", "params"),
    [("echo", '{{"answer": {{"n": {}}}}}'), ("open", '{{"x": {{"n": {}}}}}'), ("open", '{{"x": [{}]}}')],
)
def test_whole_number_beyond_64_bits_is_refused_where_it_could_not_be_sent_on(
    service_id: str, params: str, number: str
) -> None:
    (problem,) = post(envelope(service_id, params.format(number)), f"/{service_id}")["header"]["errors"]

    assert problem["pointer"].startswith(f"/parameter/{service_id}/")
    assert problem["detail"] == "holds a whole number of more than 64 bits"


@pytest.mark.parametrize("written", ["1e23", "1e300", "-1e20", "18446744073709551616.0"])
def test_a_power_is_a_number_and_no_whole_one_where_it_would_be_rounded(written: str) -> None:
    assert post(envelope("echo", f'{{"size": {written}}}')) == [{"size": flatten(float(written))}]
    (problem,) = post(envelope("echo", f'{{"n": {written}}}'))["header"]["errors"]

    assert problem["detail"].startswith("must be written in digits beyond 9007199254740992")


def test_a_small_fraction_of_zero_is_still_a_whole_number() -> None:
    assert post(envelope("echo", '{"n": 3.0}')) == [{"n": "3"}]


@pytest.mark.parametrize("name", ["n", "size", "top"])
def test_what_may_have_been_rounded_is_left_to_flask(name: str) -> None:
    gateway = Noting()

    def is_ordinary(service_id: str, number: int) -> bool:
        call = open_call(Submitter(gateway), gateway.ability(service_id), None)
        return call.prepare_ordinary(envelope(service_id, f'{{"{name}": {number}}}'))

    assert is_ordinary("echo", 5)
    assert not is_ordinary("echo", HUGE)
    assert not is_ordinary("open", HUGE)


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_rewriting_a_parameter_rounds_nothing(kind: str) -> None:
    assert flatten(convert("12345678901234567", kind)) == "12345678901234567"
    assert flatten(convert(DIGITS, kind)) == DIGITS
    assert flatten(convert(HUGE, kind)) == str(HUGE)
    assert (convert("1.5", kind), convert("3", kind), convert("x", kind)) == (1.5, 3, "x")


def test_a_task_that_came_by_send_task_has_exact_numbers() -> None:
    document = json.loads(envelope("echo", f'{{"n": {DIGITS}}}'))
    message, _ = prepare_job("id", ECHO, validate_envelope(build_envelope_schema(ECHO), document), 1000)

    assert message.params == {"n": DIGITS}
    document["parameter"]["echo"] = {"answer": {"n": HUGE}}
    with pytest.raises(RequestError, match="does not fit the schema"):
        validate_envelope(build_envelope_schema(ECHO), document)
