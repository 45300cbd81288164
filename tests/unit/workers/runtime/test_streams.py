"""Sessions of wrappers of all generations, driven as a front end would."""

import types
from typing import Any

import pytest

from athena.errors import AthenaError, WrapperError
from athena.protocol.envelope import OutputValue
from athena.sdk import DataListCls, DataListNode, Response, ResponseData, WrapperBase
from workers.runtime.async_results import AsyncResults
from workers.runtime.dispatcher import Dispatcher


def part(text: bytes, status: int = 1) -> DataListCls:
    """Returns a part of a request."""
    return DataListCls([DataListNode("text", text, status=status)])


def response(text: bytes, status: int) -> Response:
    """Returns a part of an answer."""
    answer = Response()
    answer.list = [ResponseData("text", text, status=status)]
    return answer


class Created:
    """What wrapperCreate of the later generations returns."""

    def __init__(self, handle: Any, error_code: int = 0) -> None:
        self.handle = handle
        self.error_code = error_code


class Reading(WrapperBase):
    """SDK 0.16: answers each part in upper case when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.parts: dict[str, list[Response]] = {}

    def wrapperCreate(self, params: Any, sid: str, persId: int = 0, usrTag: str = "") -> Any:
        self.calls.append((params, sid, persId, usrTag))
        self.parts["h-" + sid] = []
        return Created("h-" + sid)

    def wrapperWrite(self, handle: str, datas: DataListCls) -> int:
        node = datas.list[0]
        self.parts[handle].append(response(node.data.upper(), node.status))
        return 0

    def wrapperRead(self, handle: str) -> Response:
        return self.parts[handle].pop(0)

    def wrapperDestroy(self, handle: str) -> int:
        self.calls.append(f"destroyed {handle}")
        return 0

    def wrapperError(self, ret: int) -> str:
        return f"text of {ret}"


def test_parts_go_in_and_parts_come_out_with_their_status() -> None:
    wrapper = Reading()
    stream = Dispatcher(wrapper, {"text": 0}).open_stream({"n": "1"}, "s1", resource=7)

    stream.write(part(b"a", 0))
    first = stream.read()
    stream.write(part(b"b", 2))
    last = stream.read()
    stream.close()

    assert (first, last) == ([OutputValue("text", 0, 0, b"A")], [OutputValue("text", 0, 2, b"B")])
    assert wrapper.calls == [({"n": "1", "sid": "s1"}, "s1", 7, "s1"), "destroyed h-s1"]


def test_sessions_do_not_mix() -> None:
    dispatcher = Dispatcher(Reading(), {"text": 0})
    one, two = dispatcher.open_stream({}, "s1"), dispatcher.open_stream({}, "s2")

    one.write(part(b"one"))
    two.write(part(b"two"))

    assert (two.read()[0].data, one.read()[0].data) == (b"TWO", b"ONE")


def test_first_generation_keeps_a_plain_handle_and_reads_a_list() -> None:
    module: Any = types.ModuleType("wrapper")
    written: list[Any] = []
    module.wrapperCreate = lambda usrTag, params, psrIds, psrCnt: f"{usrTag}/{psrIds}/{psrCnt}"
    module.wrapperWrite = lambda handle, datas: written.extend([handle, datas.list[0].data])
    module.wrapperRead = lambda handle: [ResponseData("text", b"x", status=2)]
    stream = Dispatcher(module, {}).open_stream({}, "s1", resource="anna")

    stream.write(part(b"a"))

    assert written == ["s1/['anna']/1", b"a"]
    assert stream.read() == [OutputValue("text", 0, 2, b"x")]


def test_version_0_7_is_told_the_session_again() -> None:
    class Telling(Reading):
        def wrapperWrite(self, handle: str, datas: DataListCls, sid: str) -> int:  # type: ignore[override]
            self.calls.append(sid)
            return super().wrapperWrite(handle, datas)

        def wrapperRead(self, handle: str, sid: str) -> Response:  # type: ignore[override]
            self.calls.append(sid)
            return super().wrapperRead(handle)

    wrapper = Telling()
    stream = Dispatcher(wrapper, {}).open_stream({}, "s1")

    stream.write(part(b"a"))
    stream.read()

    assert wrapper.calls[1:] == ["s1", "s1"]


@pytest.mark.parametrize("name", ["s1", "h-s1"])
def test_result_by_callback_is_read_without_wrapper_read(name: str) -> None:
    class Calling(Reading):
        wrapperRead: Any = None

        def wrapperWrite(self, handle: str, datas: DataListCls) -> int:
            results.deliver(response(datas.list[0].data, 2), name)
            return 0

    results = AsyncResults(5)
    stream = Dispatcher(Calling(), {}, results).open_stream({}, "s1")

    stream.write(part(b"a"))

    assert stream.read() == [OutputValue("text", 0, 2, b"a")]


def test_error_by_callback_has_the_code_of_callbacks() -> None:
    class Calling(Reading):
        wrapperRead: Any = None

    results = AsyncResults(5)
    stream = Dispatcher(Calling(), {}, results).open_stream({}, "s1")
    results.deliver(Response().response_err(4), "s1")

    with pytest.raises(WrapperError) as error:
        stream.read()

    assert (error.value.code, error.value.message) == (10910, "text of 4;code=4")


def failing(name: str, answer: Any) -> Reading:
    """Returns a wrapper one of whose methods answers so, or raises it."""

    def method(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    wrapper = Reading()
    setattr(wrapper, name, method)
    return wrapper


@pytest.mark.parametrize(
    ("name", "answer", "code", "message"),
    [
        ("wrapperCreate", ValueError("no"), 10905, "wrapperCreate raised ValueError: no"),
        ("wrapperCreate", Created("", 3), 10905, "text of 3;code=3"),
        ("wrapperCreate", None, 10905, "wrapperCreate returned no handle"),
        ("wrapperWrite", ValueError("no"), 10907, "wrapperWrite raised ValueError: no"),
        ("wrapperWrite", 5, 10907, "text of 5;code=5"),
        ("wrapperRead", ValueError("no"), 10908, "wrapperRead raised ValueError: no"),
        ("wrapperRead", Response().response_err(6), 10908, "text of 6;code=6"),
        ("wrapperRead", "text", 10106, "wrapperRead returned str instead of Response"),
    ],
)
def test_each_stage_fails_with_its_own_code(name: str, answer: Any, code: int, message: str) -> None:
    dispatcher = Dispatcher(failing(name, answer), {"text": 0})

    with pytest.raises(AthenaError) as error:
        stream = dispatcher.open_stream({}, "s1")
        stream.write(part(b"a"))
        stream.read()

    assert (error.value.code, error.value.message) == (code, message)


@pytest.mark.parametrize("answer", [5, ValueError("no")])
def test_destroy_that_fails_is_only_logged(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    stream = Dispatcher(failing("wrapperDestroy", answer), {}).open_stream({}, "s1")

    stream.close()

    assert "wrapperDestroy" in caplog.text


def test_ability_without_sessions_says_so() -> None:
    class Plain(WrapperBase):
        def wrapperOnceExec(self, params: Any, reqData: Any, usrTag: str = "", persId: int = 0) -> Any:
            return Response()

    with pytest.raises(WrapperError, match="has no sessions"):
        Dispatcher(Plain(), {}).open_stream({}, "s1")
