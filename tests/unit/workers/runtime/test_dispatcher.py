"""How a wrapper is called, and what becomes of all that it may answer."""

from pathlib import Path
from typing import Any

import pytest

from athena.ability.manifest import load_ability
from athena.errors import AthenaError, ConfigError, RequestError, WrapperError
from athena.protocol.envelope import OutputValue
from athena.sdk import DataListCls, DataListNode, InputError, Response, ResponseData, WrapperBase
from workers.runtime.dispatcher import Dispatcher, OnceArguments

INPUTS = DataListCls([DataListNode("text", b"hi")])
JOB = OnceArguments({}, INPUTS, "j1")


class Answering(WrapperBase):
    """Returns what it was made with, or raises it."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Any:
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def wrapperError(self, ret: int) -> str:
        return {42: "the wrapper's own words"}.get(ret, "")


def response(*outputs: Any) -> Response:
    """Returns a response with the outputs."""
    answer = Response()
    answer.list = list(outputs)
    return answer


def once(answer: Any, outputs: dict[str, int] | None = None) -> list[OutputValue]:
    """Runs a job on a wrapper that answers so; by default it declares the text `text`."""
    dispatcher = Dispatcher(Answering(answer), {"text": 0} if outputs is None else outputs)
    return dispatcher.once(JOB)


def refusal(answer: Any, outputs: dict[str, int] | None = None) -> AthenaError:
    """Runs a job whose answer is an error."""
    with pytest.raises(AthenaError) as error:
        once(answer, outputs)
    return error.value


# init and fini


def test_config_reaches_the_wrapper_as_strings(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").touch()
    (tmp_path / "ability.toml").write_text('service_id = "a"\n[config]\na = 1\nb = true\nc = "x"\nd = 0.5\n')
    seen: list[Any] = []

    class Seeing(Answering):
        def wrapperInit(self, config: dict[str, str]) -> int:
            seen.append(config)
            return 0

    Dispatcher(Seeing(None), {}).init(load_ability(tmp_path).config)

    assert seen == [{"a": "1", "b": "true", "c": "x", "d": "0.5"}]


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (ValueError("no\nmodel"), 30001, "wrapperInit raised ValueError: no model"),
        (KeyError(), 30001, "wrapperInit raised KeyError"),
        (SystemExit(3), 30001, "wrapperInit raised SystemExit: 3"),
        (42, 30002, "wrapperInit returned 42: the wrapper's own words"),
        (-1, 30002, "wrapperInit returned -1"),
    ],
)
def test_init_that_fails_says_how_in_one_line(answer: Any, code: int, message: str) -> None:
    class Failing(Answering):
        def wrapperInit(self, config: dict[str, str]) -> int:
            result: int = self.wrapperOnceExec({}, INPUTS)
            return result

    with pytest.raises(ConfigError) as error:
        Dispatcher(Failing(answer), {}).init({})

    told, _, place = error.value.message.partition(" (test_dispatcher.py:")
    assert (error.value.code, told) == (code, message)
    assert place.endswith(" in wrapperOnceExec)" if isinstance(answer, BaseException) else "")


@pytest.mark.parametrize("answer", [0, None])
def test_init_succeeds_with_zero_or_nothing(answer: Any) -> None:
    class Loading(Answering):
        def wrapperInit(self, config: dict[str, str]) -> int:
            result: int = self.wrapperOnceExec({}, INPUTS)
            return result

    Dispatcher(Loading(answer), {}).init({})


def test_wrapper_without_an_init_is_refused() -> None:
    class Lazy(Answering):
        wrapperInit = WrapperBase.wrapperInit

    with pytest.raises(ConfigError, match="wrapperInit is not defined"):
        Dispatcher(Lazy(None), {}).init({})


def test_fini_that_raises_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Clinging(Answering):
        def wrapperFini(self) -> int:
            raise RuntimeError("mine!")

    Dispatcher(Clinging(None), {}).fini()

    assert caplog.messages == ["wrapperFini raised"]
    assert "mine!" in caplog.text


# inputs that a wrapper refuses


@pytest.mark.parametrize(
    ("raised", "summary"),
    [
        (InputError("holds no face", "image"), "an input cannot be used: /payload/image holds no face"),
        (InputError("too many faces\n"), "the request cannot be used: too many faces"),
    ],
)
def test_input_that_a_wrapper_refuses_is_the_callers_fault(
    raised: InputError, summary: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Batching(Answering):
        def wrapperBatchExec(self, params_list: Any, req_list: Any) -> list[Any]:
            return [raised, raised]

    error = refusal(raised)
    items = Dispatcher(Batching(raised), {"text": 0}).batch([JOB, JOB])

    assert (type(error), error.code, error.http_status, error.summary) == (RequestError, 10163, 400, summary)
    assert [getattr(item, "summary", item) for item in items] == [summary] * 2
    assert caplog.text == ""


# answers


def test_outputs_keep_their_order_and_become_bytes() -> None:
    answer = response(
        ResponseData("d", memoryview(b"4")),
        ResponseData("c", bytearray(b"3")),
        ResponseData("b", "ü"),
        ResponseData("a", b"1"),
    )

    outputs = once(answer, {"a": 0, "b": 0, "c": 0, "d": 0})

    assert [(item.key, item.data) for item in outputs] == [
        ("d", b"4"),
        ("c", b"3"),
        ("b", "ü".encode()),
        ("a", b"1"),
    ]


def test_declared_type_counts_more_than_that_of_the_answer() -> None:
    (output,) = once(response(ResponseData("pic", b"x", type=0, status=1)), {"pic": 2})

    assert output == OutputValue("pic", 2, 3, b"x")


def test_wrapper_that_declares_nothing_may_answer_anything() -> None:
    outputs = once(response(ResponseData("pic", b"x", type=2), ResponseData("text", b"y")), {})

    assert outputs == [OutputValue("pic", 2, 3, b"x"), OutputValue("text", 0, 3, b"y")]


@pytest.mark.parametrize("outputs", [[], None])
def test_answer_may_have_no_output(outputs: Any) -> None:
    answer = Response()
    answer.list = outputs

    assert once(answer) == []


def with_list(items: Any) -> Response:
    answer = Response()
    answer.list = items
    return answer


def without_data(key: str) -> ResponseData:
    item = ResponseData(key)
    item.data = None
    return item


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (None, 30003, "wrapperOnceExec returned nothing"),
        ("text", 10106, "wrapperOnceExec returned str instead of Response"),
        ([ResponseData("text")], 10106, "wrapperOnceExec returned list instead of Response"),
        (Response, 10106, "wrapperOnceExec returned type instead of Response"),
        (Response(), 10106, "output '' is not declared in responseCls; declared: text"),
        (response(ResponseData("a")), 10106, "output 'a' is not declared in responseCls; declared: text"),
        (response("text"), 10106, "the response holds a str instead of a ResponseData"),
        (response(ResponseData(5)), 10106, "an output has the key 5, which is no text"),  # type: ignore[arg-type]
        (
            with_list(ResponseData("text")),
            10106,
            "the list of the response is a ResponseData instead of a list",
        ),
        (
            response(ResponseData("text"), ResponseData("text")),
            10106,
            "the answer has an output twice: text, text",
        ),
        (
            response(without_data("text")),
            10106,
            "output 'text': data must be bytes or str, got NoneType",
        ),
        (Response().response_err(42), 10909, "the wrapper's own words;code=42"),
        (Response().response_err(7), 10909, ";code=7"),
        (ValueError("bad\n  input"), 10909, "ValueError: bad input"),
        (MemoryError(), 10909, "MemoryError"),
        (SystemExit(3), 10909, "SystemExit: 3"),
        (KeyboardInterrupt(), 10909, "KeyboardInterrupt"),
        (GeneratorExit(), 10909, "GeneratorExit"),
    ],
)
def test_bad_answer_has_a_code_and_one_line(answer: Any, code: int, message: str) -> None:
    error = refusal(answer)

    assert isinstance(error, WrapperError)
    assert (error.code, error.message, error.http_status) == (code, message, 502)


@pytest.mark.parametrize("type", [5, -1, "0", None])
def test_type_that_is_no_type_is_refused(type: Any) -> None:
    error = refusal(response(ResponseData("a", b"x", type=type)), {})

    assert (error.code, error.message) == (10106, f"output 'a' has data type {type!r}, which is not 0 to 4")


def test_error_code_counts_more_than_outputs() -> None:
    answer = response(ResponseData("surprise")).response_err(42)

    assert refusal(answer).code == 10909


def test_athena_error_of_a_wrapper_is_its_own() -> None:
    error = WrapperError("too dark", code=10912)

    assert refusal(error) is error


def test_traceback_of_the_wrapper_is_logged_and_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    error = refusal(ValueError("bad input"))

    assert error.__cause__ is None
    assert caplog.messages == ["job j1: wrapperOnceExec raised"]
    assert "in wrapperOnceExec" in caplog.text


def test_wrapper_error_that_raises_costs_only_the_text(caplog: pytest.LogCaptureFixture) -> None:
    class Speechless(Answering):
        def wrapperError(self, ret: int) -> str:
            raise RuntimeError("no words")

    dispatcher = Dispatcher(Speechless(Response().response_err(42)), {})

    with pytest.raises(WrapperError) as error:
        dispatcher.once(JOB)

    assert error.value.message == ";code=42"
    assert caplog.messages == ["wrapperError(42) raised"]


def test_wrapper_without_an_exec_is_refused() -> None:
    with pytest.raises(ConfigError, match="defines no wrapperOnceExec"):
        Dispatcher(WrapperBase(), {})


# what goes in and out


def test_input_is_found_by_its_key() -> None:
    first, second = DataListNode("a", b"1"), DataListNode("b", b"22", 2, 3, {"encoding": "png"})
    inputs = DataListCls([first, second, DataListNode("b", b"3")])

    assert inputs.get("b") is second
    assert inputs.get("c") is None
    assert (second.len, second.get_data(), second.type) == (2, b"22", 2)
    assert (first.attributes, second.attributes) == ({}, {"encoding": "png"})


def test_nodes_and_lists_share_nothing() -> None:
    node, inputs = DataListNode(), DataListCls()
    node.attributes["x"] = "y"
    inputs.list.append(node)

    assert DataListNode().attributes == {}
    assert DataListCls().list == []


def test_length_of_an_output_follows_its_data() -> None:
    output = ResponseData("text", b"123")
    lengths = [output.len]

    output.data = "12"
    lengths.append(output.len)
    output.setData("ü")
    lengths.append(output.len)

    assert lengths == [3, 2, 2]
    assert output.data == "ü".encode()


@pytest.mark.parametrize("value", [None, 3, ["x"]])
def test_data_that_is_neither_bytes_nor_text_is_refused_at_once(value: Any) -> None:
    with pytest.raises(TypeError, match="data must be bytes or str, got"):
        ResponseData("text").setData(value)


def test_type_of_an_output_can_be_set() -> None:
    output = ResponseData("pic")

    output.setDataType(2)

    assert output.type == 2
    with pytest.raises(ValueError, match="data type must be 0 to 3, got 4"):
        output.setDataType(4)
