"""What a request's line and headers ask for, how its caller waits, and what he is answered."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest

from api.gateway import call as waiting
from api.gateway import waiters as waiters_module
from api.gateway.call import Call, wait_for_end
from api.gateway.gateway import Gateway
from api.gateway.submitter import Preference
from api.gateway.waiters import BriefFuture, Waiters, reply_of
from api.http.answers import accepted_response, ended_response, job_response
from api.http.forms import parse_json
from api.http.problems import problem_response
from api.http.request_body import ByteBudget, Disconnected, RequestBody
from api.views.run import find_service, parse_preference
from athena.errors import NotFoundError, Problem, RequestError, ResultExpiredError, StoreError, UnservedError
from athena.jobs.record import JobRecord
from athena.protocol.enums import JobState
from athena.settings import from_env
from athena.store.submission import Reply, Submission

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
        await waiters.start()
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
        await waiters.start()
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
        await waiters.start()
        waiters.add("j1")
        waiters.recheck()
        await asyncio.wait_for(done.wait(), 5)
        await waiters.close()

    asyncio.run(scenario())

    assert [entry.message for entry in caplog.records] == ["cannot read an awaited job again"]


class Disconnectable:
    """The rest of a request whose body was read: nothing, until the caller goes away."""

    def __init__(self) -> None:
        self.request: Any = asyncio.current_task()
        self.gone = asyncio.Event()
        self.body = RequestBody(self.receive, None, ByteBudget(10**9))

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


class LonelyGateway(Gateway):
    """A gateway without Redis that notes whom it has left."""

    def __init__(self) -> None:
        super().__init__(from_env({}))
        self.left: list[str] = []

    async def leave(self, job_id: str, future: asyncio.Future[Reply]) -> None:
        self.left.append(job_id)
        await super().leave(job_id, future)

    async def read(self, job_id: str, attach: bool = False) -> JobRecord | None:
        return record("succeeded", b'{"large":{}}', gpu_type="cpu")


Event = Callable[[Disconnectable, asyncio.Future[Reply]], None]


def end(caller: Disconnectable, future: asyncio.Future[Reply]) -> None:
    future.set_result(DONE)


def end_with_a_large_result(caller: Disconnectable, future: asyncio.Future[Reply]) -> None:
    future.set_result(Reply("j1", JobState.SUCCEEDED, 0, "", "cpu", None))


def hang_up(caller: Disconnectable, future: asyncio.Future[Reply]) -> None:
    caller.gone.set()


def cancel(caller: Disconnectable, future: asyncio.Future[Reply]) -> None:
    caller.request.cancel()


def nothing(caller: Disconnectable, future: asyncio.Future[Reply]) -> None:
    """Lets the time pass."""


def waited(gateway: Gateway, event: Event, wait_s: float, is_late: bool = True) -> Reply | None:
    """Waits for a job to which an event happens, before or while it is waited for."""

    async def scenario() -> Reply | None:
        caller = Disconnectable()
        future = gateway.wait_for("j1")
        loop = asyncio.get_running_loop()
        if is_late:
            loop.call_soon(lambda: loop.call_soon(event, caller, future))
        else:
            event(caller, future)
        try:
            return await wait_for_end(gateway, "j1", future, caller.body, wait_s)
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not future.cancelled()

    return asyncio.run(scenario())


@pytest.fixture
def gateway() -> LonelyGateway:
    return LonelyGateway()


@pytest.fixture(params=[0.0, 5.0], ids=["watched", "unwatched"])
def either_phase(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the caller is watched for going away from the first moment on, or not at all."""
    monkeypatch.setattr(waiting, "UNWATCHED_S", request.param)


@pytest.mark.usefixtures("either_phase")
@pytest.mark.parametrize("is_late", [False, True])
def test_end_is_waited_for_and_the_job_not_left(is_late: bool, gateway: LonelyGateway) -> None:
    assert waited(gateway, end, 10, is_late) == DONE
    assert gateway.left == []


def test_result_that_did_not_come_along_is_fetched(gateway: LonelyGateway) -> None:
    expected = Reply("j1", JobState.SUCCEEDED, 0, "", "cpu", b'{"large":{}}')

    assert waited(gateway, end_with_a_large_result, 10) == expected


@pytest.mark.usefixtures("either_phase")
@pytest.mark.parametrize("wait_s", [0, 0.01])
def test_job_is_left_when_the_time_is_up(wait_s: float, gateway: LonelyGateway) -> None:
    assert waited(gateway, nothing, wait_s) is None
    assert gateway.left == ["j1"]


def test_job_is_left_when_the_caller_hangs_up(
    gateway: LonelyGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "UNWATCHED_S", 0.0)

    with pytest.raises(Disconnected):
        waited(gateway, hang_up, 10)

    assert gateway.left == ["j1"]


@pytest.mark.usefixtures("either_phase")
def test_job_is_left_when_the_request_is_cancelled(gateway: LonelyGateway) -> None:
    with pytest.raises(asyncio.CancelledError):
        waited(gateway, cancel, 10)

    assert gateway.left == ["j1"]


class PrivateGateway(LonelyGateway):
    """Takes a job in, and does with it what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[str] = []
        self.event: Callable[[], None] = lambda: None

    def submit_private(self, job: Submission, on_accepted: Callable[[], None]) -> BriefFuture:
        future = self._waiters.add_brief(job.job_id)
        on_accepted()
        asyncio.get_running_loop().call_soon(self.event)
        return future

    def end(self, state: JobState = JobState.SUCCEEDED) -> None:
        """Ends the job."""
        self._waiters.resolve(DONE._replace(state=state))

    def fail(self) -> None:
        """Redis does not take the job."""
        self._waiters.fail("j1", StoreError("Redis cannot be reached"))

    def forget_answered(self, job_id: str) -> None:
        self.forgotten.append(job_id)


@pytest.fixture
def private_gateway() -> PrivateGateway:
    return PrivateGateway()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller is watched from nearly the first moment on."""
    monkeypatch.setattr(waiters_module, "BRIEF_S", 0.01)
    monkeypatch.setattr(waiting, "UNWATCHED_S", 0.01)


def called(gateway: PrivateGateway, event: str = "nothing", wait_s: float = 10) -> Reply | None:
    """Runs a job that only its caller knows of."""

    async def scenario() -> Reply | None:
        caller = Disconnectable()
        released: list[bool] = []
        monkey: Any = caller.body
        monkey.release = lambda: released.append(True)
        loop = asyncio.get_running_loop()
        late = {"hang up": caller.gone.set, "cancel": caller.request.cancel, "end late": gateway.end}
        if event in late:
            loop.call_later(0.05, late[event])
        call = Call(gateway, (job(), None), caller.body)
        try:
            return await call.run(wait_s)
        finally:
            assert released == [True]
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(scenario())


def job() -> Submission:
    """Returns a job without request_id, of which nothing else matters."""
    nothing_else: dict[str, Any] = dict.fromkeys(Submission._fields)
    return Submission(**{**nothing_else, "job_id": "j1", "abandonable": True})


def test_private_job_is_forgotten_once_it_is_answered(private_gateway: PrivateGateway) -> None:
    private_gateway.event = private_gateway.end

    assert called(private_gateway) == DONE
    assert (private_gateway.left, private_gateway.forgotten) == ([], ["j1"])


@pytest.mark.usefixtures("brief")
def test_private_job_may_take_long(private_gateway: PrivateGateway) -> None:
    assert called(private_gateway, "end late") == DONE
    assert (private_gateway.left, private_gateway.forgotten) == ([], ["j1"])


def test_private_job_that_failed_is_kept_for_another_try(private_gateway: PrivateGateway) -> None:
    private_gateway.event = lambda: private_gateway.end(JobState.FAILED)

    reply = called(private_gateway)

    assert reply is not None and reply.state is JobState.FAILED
    assert (private_gateway.left, private_gateway.forgotten) == ([], [])


def test_private_job_that_redis_does_not_take_is_left(private_gateway: PrivateGateway) -> None:
    private_gateway.event = private_gateway.fail

    with pytest.raises(StoreError):
        called(private_gateway)

    assert (private_gateway.left, private_gateway.forgotten) == (["j1"], [])


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("event", "ends_with"), [("hang up", Disconnected), ("cancel", asyncio.CancelledError)]
)
def test_private_job_is_left_when_its_caller_goes_away(
    event: str, ends_with: type[BaseException], private_gateway: PrivateGateway
) -> None:
    with pytest.raises(ends_with):
        called(private_gateway, event)

    assert private_gateway.left == ["j1"]


def test_private_job_is_left_when_its_caller_is_cancelled_at_once(private_gateway: PrivateGateway) -> None:
    with pytest.raises(asyncio.CancelledError):
        called(private_gateway, "cancel")

    assert private_gateway.left == ["j1"]


@pytest.mark.usefixtures("brief")
def test_private_job_is_left_when_the_time_is_up(private_gateway: PrivateGateway) -> None:
    assert called(private_gateway, wait_s=0.05) is None
    assert private_gateway.left == ["j1"]
