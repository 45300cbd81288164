"""What a client makes of answers, without any gateway."""

import json
from typing import Any

import pytest

from athena.client.calls import Calls
from athena.client.client import merged, name_of
from athena.client.errors import ClientError, JobFailedError, NotDoneError, RefusedError, UnreachableError
from athena.client.exchange import Answer, Ask, Lost, Pause, Steps
from athena.client.job import Job, Trail

JOB = {"id": "4d", "service_id": "echo", "state": "running", "request_id": "r", "timeline": []}


def answer(status: int, document: Any, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, names, json.dumps(document).encode())


def play(steps: Steps[Any], *given: Answer | Lost) -> tuple[Any, list[Ask]]:
    """Returns what came of it, and what was asked."""
    waiting, asked = list(given), list[Ask]()
    got: Answer | Lost | None = None
    try:
        while True:
            step = steps.send(got)
            if isinstance(step, Pause):
                got = None
                continue
            asked.append(step)
            got = waiting.pop(0)
    except StopIteration as end:
        assert not waiting
        return end.value, asked


@pytest.fixture
def calls() -> Calls:
    return Calls(timeout_s=60, retries=3, app_id="")


def told(state: str, **more: Any) -> Answer:
    return answer(
        200, {"header": {"code": 0, "message": "", "sid": "4d"}, "job": {**JOB, "state": state, **more}}
    )


def test_each_try_is_the_same_request_with_the_same_id(calls: Calls) -> None:
    described = answer(200, {"outputs": [{"key": "text", "type": 0}]})
    good = answer(200, {"text": "hi"}, athena_job_id="4d")

    outputs, asked = play(
        calls.run("a b", {"text": "hi"}, None, None, None), Lost("cut"), answer(503, {}), good, described
    )

    bodies = {ask.body for ask in asked[:3]}
    assert len(bodies) == 1 and len(json.loads(bodies.pop())["request_id"]) == 32
    assert [ask.path for ask in asked] == [*["/v1/private/a%20b"] * 3, "/v1/abilities/a%20b"]
    assert asked[0].headers["Prefer"] == "wait=30"
    assert dict(outputs) == {"text": "hi"}
    # What was learned is not asked for again.
    assert len(play(calls.run("a b", {"text": "hi"}, None, None, None), good)[1]) == 1


def test_without_retries_a_call_has_no_id_and_no_preference() -> None:
    described = answer(200, {"outputs": [{"key": "text", "type": 0}]})
    good = answer(200, {"text": "hi"}, athena_job_id="4d")

    _, asked = play(Calls(60, 0, "me").run("echo", {"text": "hi"}, None, None, None), good, described)

    assert json.loads(asked[0].body) == {"app_id": "me", "text": "hi"}
    assert "Prefer" not in asked[0].headers
    assert asked[0].wait_s > 50


def test_outputs_that_nobody_declares_are_read_from_their_job(calls: Calls) -> None:
    payload = {"any": {"image": "eHk="}}
    of_job = answer(200, {"header": {"code": 0, "message": "", "sid": "4d"}, "job": JOB, "payload": payload})
    plain = answer(200, {"any": "eHk="}, athena_job_id="4d")

    outputs, asked = play(calls.run("x", {}, None, None, None), plain, answer(200, {"outputs": []}), of_job)

    assert outputs["any"] == b"xy" and asked[-1].path == "/v1/jobs/4d"
    with_no_right = play(
        calls.run("x", {}, None, None, None),
        plain,
        answer(200, {"outputs": []}),
        answer(403, {"header": {"code": 1}}),
    )
    assert with_no_right[0]["any"] == "eHk="


@pytest.mark.parametrize(
    ("got", "kind", "code"),
    [
        (answer(400, {"header": {"code": 10163, "message": "m", "sid": ""}}), RefusedError, 10163),
        (answer(502, {"header": {"code": 10909, "message": "m", "sid": "4d"}}), JobFailedError, 10909),
        (answer(404, []), UnreachableError, 0),
        (Answer(200, {}, b"<html>"), UnreachableError, 0),
        (answer(202, {"header": {"code": 0}}), UnreachableError, 0),
    ],
)
def test_errors_say_whose_they_are(calls: Calls, got: Answer, kind: type[ClientError], code: int) -> None:
    with pytest.raises(kind) as caught:
        play(calls.run("echo", {"request_id": "mine"}, None, None, None), got)

    assert (caught.value.code, caught.value.request_id) == (code, "mine")


def test_busy_gateway_is_refused_in_the_end_and_may_be_asked_again(calls: Calls) -> None:
    full = answer(429, {"header": {"code": 10110, "message": "full", "sid": ""}})

    with pytest.raises(RefusedError, match=r"full \(code 10110, request_id mine\)") as caught:
        play(calls.run("echo", {"request_id": "mine"}, None, None, None), *[full] * 4)

    assert caught.value.retryable


def test_proxy_that_has_lost_its_gateway_leaves_the_id_to_ask_again_with(calls: Calls) -> None:
    with pytest.raises(UnreachableError, match=r"HTTP 502 .*<html>.* \(request_id mine\)") as caught:
        play(calls.run("echo", {"request_id": "mine"}, None, None, None), *[Answer(502, {}, b"<html>")] * 4)
    assert caught.value.retryable

    moved = Answer(301, {"location": "https://elsewhere"}, b"")
    with pytest.raises(UnreachableError, match="https://elsewhere") as caught:
        play(calls.run("echo", {}, None, None, None), moved)
    assert not caught.value.retryable


def test_job_that_goes_on_is_waited_for_until_time_is_up(calls: Calls) -> None:
    accepted = answer(202, {"header": {"code": 0}, "job": JOB})

    with pytest.raises(NotDoneError) as caught:
        play(calls.run("echo", {}, None, 0, None), accepted, told("queued", reason="no_worker"))

    assert caught.value.job is not None and caught.value.job.reason == "no_worker"


def test_gateway_that_is_about_to_end_is_given_a_moment(calls: Calls) -> None:
    steps = calls.wait("4d", None, None)
    assert isinstance(steps.send(None), Ask)
    assert isinstance(steps.send(told("running")), Pause)
    assert isinstance(steps.send(None), Ask)


def test_list_turns_pages(calls: Calls) -> None:
    page = answer(200, {"jobs": [JOB], "cursor": "next one"})

    (found, cursor), (ask,) = play(calls.page({"service_id": "echo", "state": ""}, "c=1"), page)

    assert ([job.id for job in found], cursor) == (["4d"], "next one")
    assert ask.path == "/v1/jobs?service_id=echo&cursor=c%3D1"


def test_names_of_jobs_are_quoted(calls: Calls) -> None:
    assert play(calls.job("a/b?c"), told("running"))[1][0].path == "/v1/jobs/a%2Fb%3Fc"
    with pytest.raises(ValueError, match="name a job"):
        name_of("")


def test_values_are_given_once() -> None:
    assert merged({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(ValueError, match="'a' is given twice"):
        merged({"a": 1}, {"a": 2})


def test_trail_tells_each_event_once() -> None:
    trail = Trail()
    taken = {"at_ms": 2, "event": "taken", "attempt": 1, "worker": None}
    first = Job.of({**JOB, "timeline": [{"at_ms": 1, "event": "submitted", "attempt": None}, taken]})
    later = Job.of(
        {**JOB, "timeline": [{**taken, "worker": "w"}, {"at_ms": 3, "event": "failed", "attempt": None}]}
    )

    assert [event["event"] for event in trail.news(first)] == ["submitted", "taken"]
    assert [event["event"] for event in trail.news(later)] == ["failed"]
