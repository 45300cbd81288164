"""The same request over all ways, directly, by ASGI alone and by Flask: the answers are the same."""

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings

from tests.e2e.conftest import ECHO, Stack, faulty_request
from tests.mutations import BODIES, document_of

pytestmark = pytest.mark.e2e

EXAMPLE = json.loads((ECHO / "example.json").read_text())

#: Harmless, but nothing that is answered directly has it.
TO_APPLICATION = {"Content-Encoding": "identity"}

#: A preference that asks for nothing, but that only Flask looks at.
TO_FLASK = {"Prefer": "return=minimal"}

WAYS: tuple[dict[str, str], ...] = ({}, TO_APPLICATION, TO_FLASK)


def answers(stack: Stack, path: str, body: bytes, session: requests.Session) -> list[tuple[Any, ...]]:
    """Returns what all ways answer, but for the job's id."""
    found = []
    for more in WAYS:
        headers = {"Content-Type": "application/json", **more}
        answer = session.post(stack.url + path, data=body, headers=headers, timeout=60)
        document = answer.json()
        if "header" in document:
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
        ("/echo", changed(app_id="演示应用")),
        ("/echo", changed(app_id="é" * 26)),
        ("/echo", changed(request_id=None)),
        ("/echo", changed(request_id="")),
        ("/echo", changed(request_id="known-to-all-ways")),
        ("/echo", changed(priority="high")),
        ("/echo", changed(priority="highest")),
        ("/echo", changed(status=3.0)),
        ("/echo", {**EXAMPLE, "payload": {"text": {"text": "a"}}}),
        ("/echo", {**EXAMPLE, "payload": {"text": {"text": "a" * 30_000}}}),
        ("/echo", {**EXAMPLE, "payload": {"text": {"text": "a" * 30_001}}}),
        ("/echo", {**EXAMPLE, "payload": {"text": {"text": "a" * 100_000}}}),
        ("/echo", []),
        ("/echo", {"text": "plain"}),
        ("/echo", {"text": "plain", "app_id": "me", "gpu_type": "any"}),
        ("/echo", {"text": "plain", "nothing": 1}),
        ("/echo", {"text": [1, 2**70]}),
        ("/echo", {}),
        ("/echo", {"payload": EXAMPLE["payload"]}),
        ("/faulty", faulty_request(mode="raise")),
        ("/faulty", faulty_request(mode="error")),
    ],
)
def test_answers_are_the_same(faulty: Stack, path: str, request_body: Any) -> None:
    body = json.dumps(request_body).encode()

    with requests.Session() as session:
        direct, by_application, by_flask = answers(faulty, path, body, session)

    assert direct == by_application == by_flask


@pytest.mark.parametrize("first", range(len(WAYS)))
def test_request_id_attaches_over_all_ways(first: int, faulty: Stack) -> None:
    request = changed(request_id=f"all-ways-{first}")

    # The way that brings the job in, too, finds it the second time.
    ways = (WAYS[first], *WAYS)
    same = [faulty.post("/echo", request, headers=way).json() for way in ways]
    request["payload"]["text"]["text"] = "b3RoZXI="
    conflicts = [faulty.post("/echo", request, headers=way) for way in WAYS]

    assert same == [same[0]] * len(ways)
    assert same[0]["header"]["code"] == 0
    assert [answer.status_code for answer in conflicts] == [409] * len(WAYS)


def test_callers_of_one_request_id_wait_for_one_job_over_all_ways(faulty: Stack) -> None:
    request = faulty_request(seconds=1)
    request["header"]["request_id"] = "together"

    with ThreadPoolExecutor(2 * len(WAYS)) as pool:
        asked = [pool.submit(faulty.post, "/faulty", request, headers=way) for way in WAYS * 2]
        answers = [answer.result() for answer in asked]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert len({answer.json()["header"]["sid"] for answer in answers}) == 1


def test_job_with_a_request_id_goes_on_when_its_caller_goes_away(faulty: Stack) -> None:
    request = faulty_request(seconds=1)
    request["header"]["request_id"] = "goes-on"

    with pytest.raises(requests.Timeout):
        faulty.post("/faulty", request, timeout=0.5)
    again = faulty.post("/faulty", request)

    assert again.status_code == 200
    assert faulty.get("/v1/jobs/goes-on").json()["job"]["id"] == again.json()["header"]["sid"]


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
        direct, by_application, by_flask = answers(faulty, "/echo", raw, session)
        assert direct == by_application == by_flask

    check()
    session.close()
