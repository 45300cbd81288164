"""Which requests are answered without Flask."""

import asyncio
import json
from typing import Any

import pytest

from api.fast_path.fast_path import FastPath
from api.gateway.gateway import Gateway
from api.gateway.submissions import OnVerdict
from api.http.asgi import Answer
from api.http.request_body import ByteBudget, RequestBody
from athena.errors import QueueFullError
from athena.fleet.routing import Route
from athena.protocol.checks.schema import build_envelope_schema
from athena.protocol.enums import JobState
from athena.protocol.interface import DataSpec, Interface, Limits
from athena.settings import from_env
from athena.store.submission import Reply, Submission
from athena.store.verdicts import ACCEPTED

REQUEST = {
    "header": {"app_id": "demo", "status": 3},
    "parameter": {"echo": {}},
    "payload": {"text": {"text": "aGk="}},
}


class Ready(Gateway):
    """A gateway that knows one ability, and whose jobs end as soon as they are submitted."""

    def __init__(self) -> None:
        super().__init__(from_env({"ATHENA_REDIS_URL": "redis://127.0.0.1:1/0"}))
        interface = Interface("echo", "v1", "", (), (DataSpec("text", 0),), (), ("cpu",), True, Limits())
        self.watch.schemas["echo"] = (interface, build_envelope_schema(interface))
        self.submitted: list[Submission] = []
        self.is_full = False

    def route(self, interface: Interface, hints: Any) -> Route:
        return Route(f"{interface.service_id}.any")

    def send(self, job: Submission, on_verdict: OnVerdict) -> None:
        if self.is_full:
            on_verdict(QueueFullError("full", retry_after_s=7))
            return
        self.submitted.append(job)
        on_verdict(ACCEPTED)
        self._waiters.resolve(Reply(job.job_id, JobState.SUCCEEDED, 0, "", "cpu", b'{"text":{}}'))

    async def leave(self, job_id: str, future: asyncio.Future[Any]) -> None:
        self._waiters.remove(job_id, future)


def ask(
    gateway: Gateway,
    request: Any = REQUEST,
    method: str = "POST",
    path: str = "/echo",
    query: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),),
    has_length: bool = True,
) -> Answer | None:
    raw = request if isinstance(request, bytes) else json.dumps(request).encode()
    scope = {"method": method, "path": path, "query_string": query, "headers": list(headers)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def answer() -> Answer | None:
        return await FastPath(gateway).answer(
            scope, RequestBody(receive, len(raw) if has_length else None, ByteBudget(10**9))
        )

    return asyncio.run(answer())


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("path", ["/echo", "/v1/private/echo"])
def test_ordinary_request_is_answered(path: str, has_length: bool) -> None:
    gateway = Ready()

    answer = ask(gateway, path=path, has_length=has_length)

    assert answer is not None
    (job,) = gateway.submitted
    header = {"code": 0, "message": "success", "sid": job.job_id, "gpu_type": "cpu"}
    assert (answer.status, json.loads(answer.body)) == (200, {"header": header, "payload": {"text": {}}})


JSON_TYPE = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    "unusual",
    [
        {"method": "PUT"},
        {"path": "/other"},
        {"path": "/echo/"},
        {"path": "/v2/private/echo"},
        {"query": b"serviceId=echo"},
        {"headers": ()},
        {"headers": ((b"content-type", b"text/plain"),)},
        {"headers": (JSON_TYPE, JSON_TYPE)},
        {"headers": (JSON_TYPE, (b"prefer", b"wait=1"))},
        {"request": b"{"},
        {"request": b"x" * 20_000_000},
        {"request": []},
        {"request": {**REQUEST, "header": {"app_id": ""}}},
        {"request": {**REQUEST, "header": {"app_id": "demo", "status": 3.0}}},
        {"request": {**REQUEST, "payload": {"text": {"dataSrc": "http", "url": "http://x/"}}}},
    ],
)
def test_unusual_request_is_left_to_flask(unusual: dict[str, Any]) -> None:
    gateway = Ready()

    assert ask(gateway, **unusual) is None
    assert gateway.submitted == []


def test_input_that_is_not_base64_is_refused() -> None:
    gateway = Ready()

    answer = ask(gateway, {**REQUEST, "payload": {"text": {"text": "no base64!"}}})

    assert answer is not None
    assert (answer.status, gateway.submitted) == (400, [])
    assert json.loads(answer.body)["header"]["errors"][0]["pointer"] == "/payload/text/text"


def test_refusal_of_the_queue_is_answered() -> None:
    gateway = Ready()
    gateway.is_full = True

    answer = ask(gateway)

    assert answer is not None
    assert (answer.status, answer.headers) == (429, ((b"retry-after", b"7"),))
    assert json.loads(answer.body)["header"]["message"] == "full"
