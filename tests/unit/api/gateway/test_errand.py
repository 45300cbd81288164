"""How a caller waits for his job, and what becomes of it when he does not wait any more."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from api.gateway import caller as callers
from api.gateway import errand as errands
from api.gateway import waiters as waiters_module
from api.gateway.call import open_call
from api.gateway.caller import wait_for_end
from api.gateway.errand import Errand
from api.gateway.gateway import Gateway
from api.gateway.submissions import OnVerdict
from api.gateway.submitter import NO_PREFERENCE, Preference, Submitter
from api.http.request_body import ByteBudget, Disconnected, RequestBody
from athena.errors import QueueFullError, StoreError
from athena.jobs.record import JobRecord
from athena.protocol.enums import JobState
from athena.settings import from_env
from athena.store.submission import Reply, Submission
from athena.store.verdicts import ACCEPTED, Attached, Verdict
from tests.callers import REQUEST, Knowing

DONE = Reply("j1", JobState.SUCCEEDED, 0, "", "cpu", b'{"text":{"text":"aGk="}}')


def record(state: str, result: bytes | None = None, **fields: str) -> JobRecord:
    raw = {"state": state, "service_id": "echo", "queue": "echo.any", "queued_ms": "7", **fields}
    return JobRecord.decode("j1", {key.encode(): value.encode() for key, value in raw.items()}, result)


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
    monkeypatch.setattr(callers, "UNWATCHED_S", request.param)


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
    monkeypatch.setattr(callers, "UNWATCHED_S", 0.0)

    with pytest.raises(Disconnected):
        waited(gateway, hang_up, 10)

    assert gateway.left == ["j1"]


@pytest.mark.usefixtures("either_phase")
def test_job_is_left_when_the_request_is_cancelled(gateway: LonelyGateway) -> None:
    with pytest.raises(asyncio.CancelledError):
        waited(gateway, cancel, 10)

    assert gateway.left == ["j1"]


class Eventful(Knowing):
    """Takes a job in, and does with it what the test says."""

    def __init__(self, wait_s: float = 10) -> None:
        super().__init__(wait_s)
        self.event: Callable[[], object] = lambda: None
        self.becomes: Reply | StoreError | None = None

    def send(self, job: Submission, on_verdict: OnVerdict) -> None:
        super().send(job, on_verdict)
        asyncio.get_running_loop().call_soon(self.event)

    async def recheck(self, job_id: str) -> None:
        await super().recheck(job_id)
        await asyncio.sleep(0)
        if isinstance(self.becomes, StoreError):
            raise self.becomes
        if self.becomes is not None:
            self._waiters.resolve(self.becomes)

    @property
    def awaited(self) -> list[str]:
        """The jobs that somebody is registered for."""
        return list(self._waiters._futures)


@pytest.fixture
def eventful() -> Eventful:
    return Eventful()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller is watched from nearly the first moment on."""
    monkeypatch.setattr(waiters_module, "BRIEF_S", 0.01)
    monkeypatch.setattr(errands, "UNWATCHED_S", 0.01)


def opened(gateway: Knowing, request_id: str | None = None, preference: Preference = NO_PREFERENCE) -> Errand:
    """Returns a job that is made."""
    call = open_call(Submitter(gateway), gateway.ability("echo"), None)
    header = {"app_id": "demo", "status": 3, "request_id": request_id}
    call.prepare({**REQUEST, "header": header}, b"", preference)
    return call.errand


def called(
    gateway: Eventful,
    event: str = "nothing",
    request_id: str | None = None,
    preference: Preference = NO_PREFERENCE,
) -> Reply | None:
    """Runs a job."""

    async def scenario() -> Reply | None:
        caller = Disconnectable()
        released: list[bool] = []
        monkey: Any = caller.body
        monkey.release = lambda: released.append(True)
        loop = asyncio.get_running_loop()
        late = {"hang up": caller.gone.set, "cancel": caller.request.cancel, "end late": gateway.end}
        if event in late:
            loop.call_later(0.05, late[event])
        try:
            return await opened(gateway, request_id, preference).run(caller.body)
        finally:
            assert released == ([] if gateway.is_full else [True])
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert gateway.awaited == []

    return asyncio.run(scenario())


def own_id(gateway: Knowing) -> str:
    """Returns the id of the job that was submitted."""
    (job,) = gateway.submitted
    return job.job_id


EITHER = pytest.mark.parametrize("request_id", [None, "r1"])


@EITHER
def test_private_job_is_forgotten_once_it_is_answered(request_id: str | None, eventful: Eventful) -> None:
    eventful.event = eventful.end

    end = called(eventful, request_id=request_id)

    assert end is not None and end.state is JobState.SUCCEEDED
    assert eventful.forgotten == ([] if request_id else [own_id(eventful)])
    assert eventful.left == []


@EITHER
@pytest.mark.usefixtures("brief")
def test_job_may_take_long(request_id: str | None, eventful: Eventful) -> None:
    end = called(eventful, "end late", request_id)

    assert end is not None and end.job_id == own_id(eventful)
    assert eventful.left == []


def test_private_job_that_failed_is_kept_for_another_try(eventful: Eventful) -> None:
    eventful.event = lambda: eventful.end(DONE._replace(state=JobState.FAILED))

    end = called(eventful)

    assert end is not None and end.state is JobState.FAILED
    assert (eventful.left, eventful.forgotten) == ([], [])


@EITHER
@pytest.mark.parametrize("wait_s", [0.1, 10])
def test_job_that_redis_does_not_take_is_left(request_id: str | None, wait_s: float) -> None:
    gateway = Eventful(wait_s)
    gateway.is_full = True

    with pytest.raises(QueueFullError):
        called(gateway, request_id=request_id)

    assert gateway.left == [own_id(gateway)]


@EITHER
@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("event", "ends_with"), [("hang up", Disconnected), ("cancel", asyncio.CancelledError)]
)
def test_job_is_left_when_its_caller_goes_away(
    event: str, ends_with: type[BaseException], request_id: str | None, eventful: Eventful
) -> None:
    with pytest.raises(ends_with):
        called(eventful, event, request_id)

    assert eventful.left == [own_id(eventful)]


def test_private_job_is_left_when_its_caller_is_cancelled_at_once(eventful: Eventful) -> None:
    with pytest.raises(asyncio.CancelledError):
        called(eventful, "cancel")

    assert eventful.left == [own_id(eventful)]


@EITHER
@pytest.mark.usefixtures("brief")
def test_own_job_is_left_when_the_time_is_up(request_id: str | None) -> None:
    gateway = Eventful(0.05)

    assert called(gateway, request_id=request_id) is None
    assert gateway.left == [own_id(gateway)]


# A request whose request_id is known.


def test_known_request_waits_for_the_job_that_has_its_id(eventful: Eventful) -> None:
    eventful.verdict = Attached("j1")
    eventful.event = lambda: asyncio.get_running_loop().call_later(0.05, eventful._waiters.resolve, DONE)

    assert called(eventful, request_id="r1") == DONE
    assert (eventful.rechecked, eventful.left, eventful.forgotten) == (["j1"], [], [])


@pytest.mark.parametrize("preference", [NO_PREFERENCE, Preference(wait_s=0)])
def test_known_request_is_answered_at_once_when_its_job_has_ended(
    preference: Preference, eventful: Eventful
) -> None:
    eventful.verdict = Attached("j1")
    eventful.becomes = DONE

    assert called(eventful, request_id="r1", preference=preference) == DONE
    assert eventful.left == []


@pytest.mark.usefixtures("brief")
def test_known_job_is_left_when_the_caller_goes_away(eventful: Eventful) -> None:
    eventful.verdict = Attached("j1")

    with pytest.raises(Disconnected):
        called(eventful, "hang up", "r1")

    assert eventful.left == ["j1"]


def test_caller_is_told_when_the_known_job_cannot_be_read(eventful: Eventful) -> None:
    eventful.verdict = Attached("j1")
    eventful.becomes = StoreError("Redis cannot be reached")

    with pytest.raises(StoreError):
        called(eventful, request_id="r1")

    assert eventful.left == ["j1"]


def test_known_job_is_not_waited_for_when_the_caller_has_left_before(eventful: Eventful) -> None:
    async def scenario() -> None:
        eventful.tells_verdicts = False
        errand, caller = opened(eventful, "r1"), Disconnectable()
        waiting_for_it = asyncio.create_task(errand.run(caller.body))
        await asyncio.sleep(0)
        waiting_for_it.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting_for_it
        eventful.tell(Attached("j1"))
        await asyncio.sleep(0)

    asyncio.run(scenario())

    assert eventful.left == [own_id(eventful)]
    assert (eventful.awaited, eventful.rechecked) == ([], [])


@pytest.mark.usefixtures("brief")
def test_verdict_that_comes_after_the_first_moment_is_followed(eventful: Eventful) -> None:
    async def scenario() -> Reply | None:
        eventful.tells_verdicts = False
        eventful.becomes = DONE
        errand = opened(eventful, "r1")
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, lambda: eventful.tell(Attached("j1")))
        return await errand.run(Disconnectable().body)

    assert asyncio.run(scenario()) == DONE
    assert (eventful.awaited, eventful.left) == ([], [])


@pytest.mark.parametrize("verdict", [ACCEPTED, Attached("j1")])
def test_job_whose_end_nobody_waits_for_is_handed_in(verdict: Verdict, eventful: Eventful) -> None:
    eventful.verdict = verdict

    async def scenario() -> str:
        errand = opened(eventful, "r1", Preference(respond_async=True))
        return await errand.hand_in(lambda: None)

    job_id = asyncio.run(scenario())

    assert job_id == (own_id(eventful) if verdict is ACCEPTED else "j1")
    assert (eventful.awaited, eventful.rechecked) == ([], [])


def test_job_that_cannot_be_handed_in_is_refused(eventful: Eventful) -> None:
    eventful.is_full = True

    async def scenario() -> str:
        return await opened(eventful, None, Preference(respond_async=True)).hand_in(lambda: None)

    with pytest.raises(QueueFullError):
        asyncio.run(scenario())
