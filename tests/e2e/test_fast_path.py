"""The same request, answered with and without Flask: the answers are the same."""

import copy
import json
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings

from tests.e2e.conftest import ECHO, Stack, faulty_request
from tests.mutations import BODIES, document_of

pytestmark = pytest.mark.e2e

EXAMPLE = json.loads((ECHO / "example.json").read_text())

#: A preference that asks for nothing, but that only Flask looks at.
TO_FLASK = {"Prefer": "return=minimal"}


def answers(stack: Stack, path: str, body: bytes, session: requests.Session) -> list[tuple[Any, ...]]:
    """Returns what both ways answer, but for the job's id."""
    found = []
    for more in ({}, TO_FLASK):
        headers = {"Content-Type": "application/json", **more}
        answer = session.post(stack.url + path, data=body, headers=headers, timeout=60)
        document = answer.json()
        document["header"]["sid"] = bool(document["header"]["sid"])
        kept = {name: answer.headers.get(name) for name in ("Content-Type", "Retry-After", "Connection")}
        found.append((answer.status_code, document, kept))
    return found


def changed(**header: Any) -> dict[str, Any]:
    request: dict[str, Any] = copy.deepcopy(EXAMPLE)
    request["header"].update(header)
    return request


@pytest.mark.parametrize(
    ("path", "request_body"),
    [
        ("/echo", EXAMPLE),
        ("/v1/private/echo", EXAMPLE),
        ("/v2/private/echo", EXAMPLE),
        ("/echo/", EXAMPLE),
        ("/any/thing/echo", EXAMPLE),
        ("/nothing", EXAMPLE),
        ("/metrics", EXAMPLE),
        ("/v1/jobs", EXAMPLE),
        ("/echo?serviceId=faulty", EXAMPLE),
        ("/echo", changed(app_id="")),
        ("/echo", changed(app_id=None)),
        ("/echo", changed(priority="high")),
        ("/echo", changed(priority="highest")),
        ("/echo", changed(status=3.0)),
        ("/echo", {**EXAMPLE, "payload": {"text": {"text": "a"}}}),
        ("/echo", []),
        ("/faulty", faulty_request(mode="raise")),
        ("/faulty", faulty_request(mode="error")),
    ],
)
def test_answers_are_the_same(faulty: Stack, path: str, request_body: Any) -> None:
    body = json.dumps(request_body).encode()

    with requests.Session() as session:
        fast, by_flask = answers(faulty, path, body, session)

    assert fast == by_flask


def test_request_id_attaches_over_both_ways(faulty: Stack) -> None:
    request = changed(request_id="both-ways")

    first = faulty.post("/echo", request)
    again = faulty.post("/echo", request, headers=TO_FLASK)
    request["payload"]["text"]["text"] = "b3RoZXI="
    conflicts = [faulty.post("/echo", request, headers=headers) for headers in ({}, TO_FLASK)]

    assert first.json() == again.json()
    assert [answer.status_code for answer in conflicts] == [409, 409]


def test_answers_to_whatever_is_sent_are_the_same(faulty: Stack) -> None:
    session = requests.Session()

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(BODIES)
    def check(body: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(document_of(body, EXAMPLE)).encode()
        fast, by_flask = answers(faulty, "/echo", raw, session)
        assert fast == by_flask

    check()
    session.close()
