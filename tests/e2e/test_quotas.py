"""Quotas as callers and operators see them."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.conftest import ECHO, FAULTY, Stack, example, faulty_request, serving, wait_until
from tests.e2e.test_operators import TOKEN, admin, table, told

pytestmark = pytest.mark.e2e

#: What callers wait for at most until gateways know of a change.
KNOWN_S = 30


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose operators have a token."""
    with serving(tmp_path_factory.mktemp("quotas"), ECHO, FAULTY, ATHENA_ADMIN_TOKEN=TOKEN) as running:
        yield running


def request_of(app_id: str) -> Any:
    return {**example("echo"), "header": {"app_id": app_id, "status": 3}}


def call(stack: Stack, app_id: str, **options: Any) -> requests.Response:
    return stack.post("/echo", request_of(app_id), **options)


def use(stack: Stack, app_id: str) -> Any:
    rows = admin(stack, "GET", f"/usage?days=2&app_id={app_id}")["usage"]
    return rows[0] if rows else None


def test_app_is_held_to_its_rate_and_told_so(shop: Stack) -> None:
    table(shop, "quotas", "set", "busy", "--requests-per-s", "0.01", "--burst", "3")
    wait_until(lambda: "RateLimit" in call(shop, "busy").headers, KNOWN_S, "the gateway knows it")
    answers = [call(shop, "busy") for _ in range(4)]

    last = answers[-1]
    assert (last.status_code, last.json()["header"]["code"]) == (429, 11203)
    assert "busy may have 0.01 requests a second (requests_per_s)" in last.json()["header"]["message"]
    assert 1 <= int(last.headers["Retry-After"]) <= 100
    assert last.headers["RateLimit-Policy"] == '"app";q=3;w=300'
    assert last.headers["RateLimit"].startswith('"app";r=0;t=')
    # All ways into the gateway are counted alike.
    envelope = request_of("busy")
    assert shop.post("/v1/private/echo?x=1", envelope).status_code == 429
    (refused,) = shop.post("/v1/jobs", {"jobs": [{"service_id": "echo", **envelope}]}).json()["jobs"]
    assert refused["error"]["status"] == 429 and "requests_per_s" in refused["error"]["message"]
    # Others are as they were.
    free = call(shop, "free")
    assert free.status_code == 200 and "RateLimit" not in free.headers
    used = use(shop, "busy")
    assert used["refused"] >= 1 and used["jobs"] == {"succeeded": used["requests"] - used["refused"]}


def test_jobs_that_wait_are_limited_and_let_go(shop: Stack) -> None:
    table(shop, "queues", "pause", "echo")
    table(shop, "quotas", "set", "slow", "--ability", "echo", "--queued-jobs", "2")
    try:
        wait_until(lambda: asked(shop) == 429, KNOWN_S, "it is over its quota")
        refused = call(shop, "slow", headers={"Prefer": "respond-async"})
        assert "slow may have 2 jobs that wait of echo (queued_jobs)" in refused.text
        assert refused.headers["RateLimit"] == '"ability-queued_jobs";r=0;t=1'
        assert told(shop, "quotas", "ls")["open"]["slow"]["queued"] >= 2
    finally:
        table(shop, "queues", "resume", "echo")

    def open_jobs() -> Any:
        return admin(shop, "GET", "/usage")["open"]["slow"]

    wait_until(lambda: not any(open_jobs().values()), 60, "nothing is open")
    metrics = shop.get("/metrics").text
    assert 'athena_app_open_jobs{app_id="slow"} 0\n' in metrics
    assert 'athena_app_jobs_today{app_id="slow",service_id="echo",state="succeeded"}' in metrics


def asked(stack: Stack) -> int:
    return call(stack, "slow", headers={"Prefer": "respond-async"}).status_code


def test_apps_without_keys_share_what_is_left_for_all_others(shop: Stack) -> None:
    table(shop, "quotas", "set", "*", "--requests-per-s", "0.001", "--burst", "2")
    try:
        wait_until(lambda: "RateLimit" in call(shop, "one").headers, KNOWN_S, "the gateway knows it")
        # A new name is no new quota.
        assert {call(shop, f"new{number}").status_code for number in range(3)} == {200, 429} or all(
            call(shop, f"newer{number}").status_code == 429 for number in range(3)
        )
    finally:
        table(shop, "quotas", "rm", "*")
    wait_until(lambda: call(shop, "one").status_code == 200, KNOWN_S, "the quota is gone")


def test_retries_count_for_their_app(shop: Stack) -> None:
    job_id = shop.submit("faulty", faulty_request(mode="raise"))
    shop.wait_state(job_id, "failed")
    table(shop, "quotas", "set", "test", "--ability", "faulty", "--requests-per-s", "0.001", "--burst", "1")

    def retried() -> int:
        return requests.post(f"{shop.url}/v1/jobs/{job_id}/retry", timeout=60).status_code

    wait_until(lambda: retried() == 429, KNOWN_S, "it is over its quota")
    # An operator may all the same, and it counts for nobody.
    assert admin(shop, "POST", f"/jobs/{job_id}/retry")["retry_of"] == job_id
    acts = [(act["action"], act["target"]) for act in admin(shop, "GET", "/audit")["acts"]]
    assert ("quotas set", "test faulty") in acts
