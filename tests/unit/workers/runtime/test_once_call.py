"""One way to run a job, whatever the wrapper's generation."""

import threading
import types
from typing import Any

import pytest

from athena.errors import AthenaError, ConfigError, OutputError, WrapperError
from athena.sdk import DataListCls, DataListNode, Response, ResponseData, WrapperBase
from workers.runtime.async_results import AsyncResults
from workers.runtime.once_call import make_once_call

INPUTS = DataListCls([DataListNode("text", b"hi"), DataListNode("pic", b"xyz", 2)])


def call(wrapper: Any, resource: Any = 0, limit_s: float = 5) -> Any:
    """Runs a job on a wrapper."""
    results = AsyncResults(limit_s)
    wrapper.results = results
    once = make_once_call(wrapper, results, lambda code: f"text of {code}")
    return once({"n": "1"}, INPUTS, "j1", resource)


def module(**functions: Any) -> types.ModuleType:
    """Returns a module with the functions."""
    found = types.ModuleType("wrapper")
    vars(found).update(functions)
    return found


def v1(code: Any = 0, *outputs: Any) -> types.ModuleType:
    """Returns a wrapper of the first generation that answers so."""

    def wrapperOnceExec(
        usrTag: Any, params: Any, reqData: Any, respData: Any, psrIds: Any, psrCnt: Any
    ) -> Any:
        respData.extend(outputs)
        return code

    return module(wrapperOnceExec=wrapperOnceExec)


def test_first_generation_reads_dictionaries_and_fills_a_list() -> None:
    seen: list[Any] = []

    def wrapperOnceExec(
        usrTag: Any, params: Any, reqData: Any, respData: Any, psrIds: Any, psrCnt: Any
    ) -> int:
        seen.append((usrTag, params, [dict(item) for item in reqData], psrIds, psrCnt))
        respData.append({"key": "result", "data": "ü", "len": 99, "status": 3, "type": 0})
        return 0

    answer = call(module(wrapperOnceExec=wrapperOnceExec), resource=7)

    first = {"key": "text", "data": b"hi", "len": 2, "type": 0, "status": 3}
    second = {"key": "pic", "data": b"xyz", "len": 3, "type": 2, "status": 3}
    assert seen == [("j1", {"n": "1"}, [first, second], [7], 1)]
    assert [(item.key, item.data, item.type) for item in answer.list] == [("result", "ü", 0)]


def test_inputs_of_the_first_generation_know_the_ways_of_the_later_ones() -> None:
    seen: list[Any] = []

    def wrapperOnceExec(
        usrTag: Any, params: Any, reqData: Any, respData: Any, psrIds: Any, psrCnt: Any
    ) -> int:
        seen.extend([reqData.get("pic").data, reqData.list[0].len, reqData.get("none"), psrIds])
        respData.list.append(ResponseData("result", b"x"))
        return 0

    answer = call(module(wrapperOnceExec=wrapperOnceExec))

    assert seen == [b"xyz", 2, None, []]
    assert answer.list[0].key == "result"


@pytest.mark.parametrize("code", [0, None, False])
def test_first_generation_may_say_nothing(code: Any) -> None:
    assert call(v1(code)).error_code == 0


def test_code_of_the_first_generation_is_an_error() -> None:
    assert call(v1(100)).error_code == 100


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        (v1("0"), "wrapperOnceExec returned str instead of a number"),
        (v1(0, "text"), "respData holds a str instead of an object with key and data"),
        (v1(0, {"key": "a"}), "respData holds an object without 'key' or 'data'"),
    ],
)
def test_bad_answer_of_the_first_generation_is_told(wrapper: Any, message: str) -> None:
    with pytest.raises(OutputError) as error:
        call(wrapper)

    assert error.value.message == message


def test_class_of_the_first_generation_is_called_like_it() -> None:
    class Wrapper(WrapperBase):
        def wrapperOnceExec(  # type: ignore[override]
            self, usrTag: Any, params: Any, reqData: Any, respData: Any, psrIds: Any, psrCnt: Any
        ) -> int:
            respData.append({"key": "result", "data": reqData[0]["data"]})
            return 0

    assert call(Wrapper()).list[0].data == b"hi"


class Async(WrapperBase):
    """Answers by callback, from a thread."""

    results: AsyncResults

    def __init__(self, code: Any = 0, error_code: int = 0) -> None:
        super().__init__()
        self.code = code
        self.error_code = error_code

    def wrapperOnceExecAsync(self, params: Any, reqData: Any, sid: str, persId: int = 0) -> Any:
        answer = Response().response_err(self.error_code)
        answer.list = [ResponseData("result", reqData.get("text").data)]
        threading.Thread(target=self.results.deliver, args=(answer, sid)).start()
        return self.code


def test_asynchronous_result_is_waited_for() -> None:
    assert call(Async()).list[0].data == b"hi"


def test_asynchronous_call_may_fail_at_once() -> None:
    assert call(Async(code=5)).error_code == 5


def test_asynchronous_result_may_be_an_error() -> None:
    with pytest.raises(WrapperError) as error:
        call(Async(error_code=6))

    assert (error.value.code, error.value.message) == (10910, "text of 6;code=6")


def test_callback_that_never_comes_times_out() -> None:
    class Silent(WrapperBase):
        def wrapperOnceExecAsync(self, params: Any, reqData: Any, sid: str, persId: int = 0) -> int:
            return 0

    with pytest.raises(AthenaError) as error:
        call(Silent(), limit_s=0.01)

    assert error.value.code == 10102


def test_wrapper_that_only_streams_fails_jobs_and_not_its_start() -> None:
    with pytest.raises(WrapperError, match="answers streams only"):
        call(module(wrapperCreate=lambda params, sid: "h"))


def test_wrapper_that_answers_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="defines no wrapperOnceExec"):
        call(WrapperBase())
