"""What a request's line and headers ask for, how its caller waits, and what he is answered."""

import asyncio
import struct
from typing import Any

import pytest

from api.gateway import waiters as waiters_module
from api.gateway.submitter import Preference
from api.gateway.waiters import Waiters, reply_of
from api.http.answers import accepted_response, ended_response, job_response
from api.http.json_body import parse_json
from api.http.problems import problem_response
from api.views.run import find_service, parse_preference
from athena.errors import NotFoundError, Problem, RequestError, ResultExpiredError, StoreError, UnservedError
from athena.jobs.record import JobRecord
from athena.protocol.enums import JobState
from athena.store.submission import Reply

DONE = Reply("j1", JobState.SUCCEEDED, 0, "", "cpu", b'{"text":{"text":"aGk="}}')
FAILED = Reply("j1", JobState.FAILED, 10909, "ValueError: too dark", "cpu", None)


@pytest.mark.parametrize(
    ("header", "preference"),
    [
        ("", Preference()),
        ("respond-async", Preference(respond_async=True)),
        ("Respond-Async", Preference(respond_async=True)),
        ("wait=7", Preference(wait_s=7)),
        ('wait="7"', Preference(wait_s=7)),
        ("wait=0", Preference(wait_s=0)),
        ("wait=7;x=y", Preference(wait_s=7)),
        ("respond-async; x=y", Preference(respond_async=True)),
        ("respond-async, wait=7", Preference(wait_s=7)),
        ("return=minimal, respond-async", Preference(respond_async=True)),
        ("wait=99999999", Preference(wait_s=300)),
        ("wait=-1", Preference()),
        ("wait=1.5", Preference()),
        ("wait=soon", Preference()),
        ("wait", Preference()),
        (",,;=", Preference()),
    ],
)
def test_preference_is_read_as_far_as_it_is_known(header: str, preference: Preference) -> None:
    assert parse_preference(header) == preference


@pytest.mark.parametrize(
    ("path", "query", "service"),
    [
        ("echo", {}, ("echo", "v1")),
        ("echo/", {}, ("echo", "v1")),
        ("any/thing/echo", {}, ("echo", "v1")),
        ("v1/private/echo", {}, ("echo", "v1")),
        ("v7/private/echo", {}, ("echo", "v7")),
        ("v7/private/echo/", {}, ("echo", "v7")),
        ("", {"serviceId": "echo"}, ("echo", "v1")),
        ("any/thing", {"serviceId": "echo"}, ("echo", "v1")),
        ("v7/private/other", {"serviceId": "echo"}, ("echo", "v7")),
    ],
)
def test_service_is_found_in_path_or_query(
    path: str, query: dict[str, str], service: tuple[str, str]
) -> None:
    assert find_service(path, query) == service


@pytest.mark.parametrize("path", ["v1/jobs/x", "docs/echo", "metrics/echo", "v1"])
def test_path_that_the_gateway_needs_for_itself_is_no_service(path: str) -> None:
    with pytest.raises(NotFoundError):
        find_service(path, {})


@pytest.mark.parametrize("raw", [b"", b"{", b"nope", b'{"a": NaN}', b"\xff", b'"\\ud800"'])
def test_body_that_is_no_json_is_refused_with_a_pointer_to_all_of_it(raw: bytes) -> None:
    with pytest.raises(RequestError) as error:
        parse_json(raw)

    (problem,) = error.value.problems
    assert (error.value.code, problem.pointer) == (10163, "")
    assert problem.detail.startswith("is not JSON: ")


def record(state: str, result: bytes | None = None, **fields: str) -> JobRecord:
    raw = {"state": state, "service_id": "echo", "queue": "echo.any", "queued_ms": "7", **fields}
    return JobRecord.decode("j1", {key.encode(): value.encode() for key, value in raw.items()}, result)


def test_error_is_answered_in_the_envelope() -> None:
    response = problem_response(NotFoundError("not here"))

    header = {"code": 10404, "message": "not here", "sid": ""}
    assert (response.status_code, response.get_json()) == (404, {"header": header})
    assert response.content_type == "application/json"
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("pointers", "message"),
    [
        ([""], "bad: / is wrong"),
        (["/a"], "bad: /a is wrong"),
        (["/a", "/b", ""], "bad: /a is wrong (and 2 more)"),
    ],
)
def test_message_names_the_first_problem_and_errors_lists_all(pointers: list[str], message: str) -> None:
    error = RequestError("bad", problems=tuple(Problem(pointer, "is wrong") for pointer in pointers))

    header = problem_response(error).get_json()["header"]

    assert header["message"] == message
    assert header["errors"] == [{"pointer": pointer, "detail": "is wrong"} for pointer in pointers]


def test_error_of_a_job_names_it_and_says_when_to_come_back() -> None:
    response = problem_response(UnservedError("nobody", retry_after_s=5), "j1")

    assert response.status_code == 503
    assert response.get_json()["header"]["sid"] == "j1"
    assert response.headers["Retry-After"] == "5"


def test_result_is_answered_as_the_worker_rendered_it() -> None:
    response = ended_response(DONE)

    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == {
        "header": {"code": 0, "message": "success", "sid": "j1", "gpu_type": "cpu"},
        "payload": {"text": {"text": "aGk="}},
    }


def test_failure_is_answered_with_the_status_of_its_code() -> None:
    response = ended_response(FAILED)

    expected = {"code": 10909, "message": "ValueError: too dark", "sid": "j1"}
    assert (response.status_code, response.get_json()) == (502, {"header": expected})


def test_result_that_has_expired_is_gone() -> None:
    with pytest.raises(ResultExpiredError, match="the result of job j1 was kept until its TTL and is gone"):
        ended_response(reply_of(record("succeeded")))


def test_job_that_goes_on_is_answered_with_its_address() -> None:
    response = accepted_response(record("queued"), "/athena")

    body = response.get_json()
    assert response.status_code == 202
    assert body["header"] == {"code": 0, "message": "accepted", "sid": "j1"}
    assert (body["job"]["id"], body["job"]["state"]) == ("j1", "queued")
    assert response.headers["Location"] == body["urls"]["job"] == "/athena/v1/jobs/j1"
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("asked", "header", "payload"),
    [
        (record("queued"), {"code": 0, "message": "queued"}, None),
        (record("running"), {"code": 0, "message": "running"}, None),
        (record("failed", code="10109", message="died"), {"code": 10109, "message": "died"}, None),
        (record("succeeded", b'{"x":{}}'), {"code": 0, "message": "success", "gpu_type": ""}, {"x": {}}),
        (record("succeeded", b"{}"), {"code": 0, "message": "success", "gpu_type": ""}, None),
    ],
)
def test_question_about_a_job_is_answered_with_how_it_stands(
    asked: JobRecord, header: dict[str, Any], payload: Any
) -> None:
    response = job_response(asked, "busy" if asked.state == "queued" else "")

    body = response.get_json()
    assert response.status_code == 200
    assert body["header"] == {**header, "sid": "j1"}
    reason = "busy" if asked.state == "queued" else None
    timeline = body["job"].pop("timeline")
    assert [event["event"] for event in timeline] == [
        "submitted",
        *([str(asked.state)] if asked.state.is_final else []),
    ]
    assert body["job"] == {**asked.describe(), "reason": reason}
    assert body.get("payload") == payload


async def ignore(job_id: str) -> None:
    """Reads no record."""


def test_end_of_a_job_reaches_all_who_wait_for_it() -> None:
    async def scenario() -> None:
        waiters = Waiters(ignore)
        first, second, other = waiters.add("j1"), waiters.add("j1"), waiters.add("j2")

        waiters.resolve(DONE)

        assert await first == await second == DONE
        assert not other.done()
        assert not waiters.remove("j1", first)

    asyncio.run(scenario())


def test_end_that_is_published_wakes_those_who_wait() -> None:
    texts = [b"j1", b"failed", b"10909", b"ValueError: too dark", b"cpu", b"0", b""]
    frame = b"".join(struct.pack("<I", len(text)) + text for text in texts)

    async def scenario() -> Reply:
        waiters = Waiters(ignore)
        gone, future = waiters.add("j1"), waiters.add("j1")
        gone.cancel()
        waiters.on_push(frame + frame)
        return await future

    assert asyncio.run(scenario()) == FAILED


@pytest.mark.parametrize(
    ("missed_s", "lost"), [((100, 108), False), ((100, 108, 113), True), ((100, 130), True)]
)
def test_job_that_redis_does_not_know_for_a_while_is_lost(missed_s: tuple[float, ...], lost: bool) -> None:
    async def scenario() -> None:
        waiters = Waiters(ignore)
        future, other = waiters.add("j1"), waiters.add("j2")

        for at_s in missed_s:
            waiters.miss("j1", at_s)

        assert future.done() is lost
        assert not other.done()
        if lost:
            with pytest.raises(StoreError, match="has lost job j1; send it again"):
                await future

    asyncio.run(scenario())


def test_last_of_those_who_leave_is_told_so() -> None:
    async def scenario() -> None:
        waiters = Waiters(ignore)
        first, second = waiters.add("j1"), waiters.add("j1")

        assert not waiters.remove("j2", first)
        assert not waiters.remove("j1", first)
        assert not waiters.remove("j1", first)
        assert waiters.remove("j1", second)
        waiters.resolve(DONE)
        assert not first.done() and not second.done()

    asyncio.run(scenario())


def test_short_wait_gives_way_to_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiters_module, "BRIEF_S", 0.02)

    async def scenario() -> None:
        waiters = Waiters(ignore)
        quick, slow, gone = waiters.add_brief("j1"), waiters.add_brief("j2"), waiters.add_brief("j3")
        waiters.resolve(DONE)
        waiters.remove("j3", gone)

        assert await quick == DONE
        successor = await slow
        assert isinstance(successor, asyncio.Future) and not successor.done()
        assert not gone.done()
        waiters.resolve(DONE._replace(job_id="j2"))
        assert (await successor).job_id == "j2"
        late = waiters.add_brief("j4")
        assert isinstance(await late, asyncio.Future)

    asyncio.run(scenario())


def test_failed_submission_reaches_who_waits_however_long_he_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiters_module, "BRIEF_S", 0.02)

    async def scenario() -> None:
        waiters = Waiters(ignore)
        first, second = waiters.add_brief("j1"), waiters.add_brief("j2")
        waiters.fail("j1", StoreError("gone"))
        with pytest.raises(StoreError):
            await first
        successor = await second
        assert isinstance(successor, asyncio.Future)
        waiters.fail("j2", StoreError("gone"))
        with pytest.raises(StoreError):
            await successor
        assert waiters.remove("j2", successor)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_asked", [True, False])
def test_awaited_jobs_are_read_again(is_asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_asked:
        monkeypatch.setattr(waiters_module, "RECHECK_S", 0)

    async def scenario() -> Reply:
        async def read(job_id: str) -> None:
            if job_id == "j1":
                waiters.resolve(DONE)
            raise StoreError("Redis is away")

        waiters = Waiters(read)
        waiters.start()
        waiters.add("j0")
        future = waiters.add("j1")
        if is_asked:
            waiters.recheck()
        try:
            return await asyncio.wait_for(future, 5)
        finally:
            await waiters.close()

    assert asyncio.run(scenario()) == DONE


def test_many_awaited_jobs_are_read_in_small_parts() -> None:
    count = 3 * waiters_module.RECHECKED_AT_ONCE
    reading, most, read = 0, 0, set()

    async def scenario() -> None:
        async def slow_read(job_id: str) -> None:
            nonlocal reading, most
            reading += 1
            most = max(most, reading)
            await asyncio.sleep(0)
            reading -= 1
            read.add(job_id)
            if job_id == "j0":
                # Whoever has been answered meanwhile is not asked for.
                waiters.remove(f"j{count - 1}", last)
            if job_id == f"j{count - 2}":
                done.set()

        done = asyncio.Event()
        waiters = Waiters(slow_read)
        waiters.start()
        *_, last = (waiters.add(f"j{number}") for number in range(count))
        waiters.recheck()
        await asyncio.wait_for(done.wait(), 5)
        await waiters.close()

    asyncio.run(scenario())

    assert most == waiters_module.RECHECKED_AT_ONCE
    assert read == {f"j{number}" for number in range(count - 1)}


def test_mistake_in_reading_one_job_is_logged_and_does_not_end_the_reading(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        rounds = 0
        done = asyncio.Event()

        async def read(job_id: str) -> None:
            nonlocal rounds
            rounds += 1
            if rounds == 2:
                done.set()
            waiters.recheck()
            raise StoreError("Redis is away") if rounds > 1 else ValueError("a mistake of ours")

        waiters = Waiters(read)
        waiters.start()
        waiters.add("j1")
        waiters.recheck()
        await asyncio.wait_for(done.wait(), 5)
        await waiters.close()

    asyncio.run(scenario())

    assert [entry.message for entry in caplog.records] == ["cannot read an awaited job again"]
