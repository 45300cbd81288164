"""The SDK's data, sessions, pools and local runs, as wrappers of all versions use them."""

import json
import logging
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from athena.sdk import (
    AudioBodyField,
    BooleanParamField,
    DataListCls,
    DataListNode,
    ImageBodyField,
    IntegerParamField,
    Response,
    ResponseData,
    SessionCreateResponse,
    SessionManager,
    StreamHandleThread,
    StringBodyField,
    StringParamField,
    WrapperBase,
    callback,
    log,
    results,
)
from athena.sdk.pool import FixedPool, InferClass, Worker
from tests.conftest import wait_until

# data


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), "abc"])
def test_data_may_be_assigned_in_every_form(data: Any) -> None:
    output = ResponseData("text")
    output.data = data

    assert output.len == 3


def test_length_may_be_assigned_after_the_data() -> None:
    output = ResponseData("text")
    output.data = b"abc"
    output.len = 2

    assert output.len == 2


@pytest.mark.parametrize("name", ["error_code", "err_code", "errCode"])
def test_error_code_has_the_names_of_all_versions(name: str) -> None:
    response = Response()

    setattr(response, name, 7)

    assert (response.error_code, response.err_code, response.errCode) == (7, 7, 7)


def test_response_begins_with_one_empty_output() -> None:
    assert [(item.key, item.data, item.status) for item in Response().list] == [("", b"", 3)]


def test_data_is_shown_as_json() -> None:
    response = Response().response_err(3)
    response.list = [ResponseData("text", "ü".encode())]

    shown = json.loads(response.toJSON())

    assert shown == {
        "list": [{"key": "text", "data": "ü", "len": 2, "type": 0, "status": 3}],
        "error_code": 3,
    }
    assert json.loads(SessionCreateResponse().toJSON()) == {"handle": "", "error_code": 0}


def test_attributes_of_an_input_have_the_name_of_the_grpc_loader() -> None:
    node = DataListNode("pic", b"x", 2, attributes={"encoding": "png"})

    assert node.desc == {"encoding": "png"}


@pytest.mark.parametrize(
    "field",
    [
        StringParamField("a", value=b"bytes", later=1),
        IntegerParamField("a", 1, 5, [1, 2], True, 2),
        BooleanParamField("a", "title", True, False, later=1),
        StringBodyField("a", "text", later=1),
        AudioBodyField("a", "x.wav", "pcm", later=1),
        ImageBodyField("a", "x.png", True, "png", 3, later=1),
    ],
)
def test_fields_take_the_arguments_of_all_versions(field: Any) -> None:
    assert field.key == "a"


# the base class


def test_base_class_works_where_its_constructor_was_not_called() -> None:
    class Careless(WrapperBase):
        def __init__(self) -> None:
            pass

    wrapper = Careless()

    assert (wrapper.legacy, wrapper.respData) == (True, [])
    assert wrapper.session is wrapper.session
    assert Careless().session is not wrapper.session


def test_base_class_takes_what_loaders_pass() -> None:
    wrapper = WrapperBase(legacy=False, is_aipaas=False, keep_schema_default_value=False)

    assert not (wrapper.legacy or wrapper.is_aipaas or wrapper.keep_schema_default_value)
    assert (wrapper.wrapperError(100), wrapper.wrapperError(1)) == ("user error defined here", "")


class UserRequest:
    text = StringBodyField("text", "hello")
    pic = ImageBodyField("pic", "missing.png")
    loud = BooleanParamField("loud", default=True)


class UserResponse:
    accept_text = StringBodyField("text")


class Local(WrapperBase):
    """Answers with what it was made with."""

    requestCls = UserRequest()
    responseCls = UserResponse()

    def __init__(self, *outputs: Any) -> None:
        super().__init__()
        self.config = {"a": "b"}
        self.outputs = list(outputs)
        self.calls: list[Any] = []

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.calls.append(config)
        return 0

    def wrapperFini(self) -> int:
        self.calls.append("fini")
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Any:
        self.calls.append((params, [(node.key, node.data, node.type) for node in reqData.list]))
        response = Response()
        response.list = self.outputs
        return response

    def wrapperCreate(self, params: dict[str, str], sid: str, persId: int = 0, usrTag: str = "") -> Any:
        return "handle"

    def wrapperWrite(self, handle: str, datas: DataListCls) -> int:
        for output in self.outputs:
            response = Response()
            response.list = [output]
            callback(response, handle)
        return 0


def test_wrapper_runs_alone_on_the_test_data_of_its_fields() -> None:
    wrapper = Local(ResponseData("text", b"HELLO"))

    assert wrapper.run()
    given = ({"loud": "true", "sid": "local-run"}, [("text", b"hello", 0), ("pic", b"", 2)])
    assert wrapper.calls == [{"a": "b"}, given, "fini"]


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ([], "the response's list is empty"),
        ([ResponseData("text", b"x"), ResponseData("text", b"x")], "output 'text' is there twice"),
        ([ResponseData("other", b"x")], "output 'other' is not declared in responseCls; declared: text"),
        ([ResponseData("text", b"x", type=2)], "output 'text' has type 2, declared is 0"),
        ([ResponseData("text", b"x", status=1)], "output 'text' has status 1 instead of 3"),
        ([ResponseData("text", b"x", length=5)], "output 'text' has len 5, but 1 bytes"),
        ([ResponseData("text", [1])], "output 'text': data must be bytes or str, got list"),
    ],
)
def test_answer_that_does_not_fit_is_told(
    outputs: Any, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not Local(*outputs).run()
    assert problem in caplog.text


def test_session_runs_alone_until_its_last_result() -> None:
    parts = [ResponseData("text", b"a", status=0), ResponseData("text", b"b", status=2)]

    assert Local(*parts).run(stream=True)


def test_callback_goes_where_it_is_sent() -> None:
    queue: Queue[Any] = Queue()
    try:
        results.set_up(queue)
        codes = [callback("one", "handle", "sid"), callback("two", "tag")]
    finally:
        results.set_sink(None)

    assert codes == [0, 0]
    assert [queue.get_nowait(), queue.get_nowait()] == [("sid", "one"), ("tag", "two")]


# sessions


class Upper(StreamHandleThread):
    """Answers in upper case."""

    def init_model(self, handle: str) -> None:
        self.prefix = handle[-1]

    def run(self) -> None:
        while not self.is_stopping:
            item = self.in_q.get()
            if item is None:
                return
            self.out_q.put(f"{self.prefix}:{self.session_thread.sid}:{item.upper()}")


def test_session_manager_lends_handles_and_takes_them_back() -> None:
    manager = SessionManager()
    manager.init_handle_pool("thread", 2, Upper)
    handed_on: list[Any] = []
    first, second, third = (manager.get_idle_handle() for _ in range(3))
    assert first is not None and second is not None
    session = manager.get_session(second)
    assert session is not None

    session.setup_sid("s1")
    session.setup_callback_fn(lambda response, sid: handed_on.append((response, sid)))
    session.in_q.put("hi")
    wait_until(lambda: handed_on, "the answer")
    manager.set_idle_session(second)
    again = manager.get_idle_handle()
    for handle in (first, second):
        thread = manager.get_session(handle)
        assert thread is not None
        thread.in_q.put(None)
    manager.close()

    assert (first, second, third) == ("Process-0-Thread-0", "Process-0-Thread-1", None)
    assert handed_on == [("1:s1:HI", "s1")]
    assert (again, session.sid) == (second, "")


def test_process_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode 'process' is not supported"):
        SessionManager().init_handle_pool("process", 1, Upper)


# pools


def test_worker_answers_piece_by_piece_until_the_last() -> None:
    class Infer(InferClass):
        def predict(self, req: Any = None) -> tuple[Any, bool]:
            return req * 2, req == 3

    worker, seen = Worker(), []
    worker.register_infer_class(Infer)
    worker.register_callback(lambda output, handle: seen.append((output, handle)))
    worker.setHandle("h")
    for piece in (1, 2, 3):
        worker.in_q.put(piece)

    worker.start()
    worker.join(60)

    assert not worker.is_alive()
    assert seen == [(2, "h"), (4, "h"), (6, "h")]


def test_names_of_a_fixed_pool_are_never_used_twice() -> None:
    pool = FixedPool()
    pool.set_capacity(2)

    added = [pool.add("a"), pool.add("b"), pool.add("c")]
    removed = [pool.remove("worker-0"), pool.remove("worker-0")]
    later = pool.add("d")
    found = [pool.get("worker-1"), pool.get("worker-0"), pool.get("worker-2")]
    pool.clear_all()

    assert added == [(True, "worker-0"), (True, "worker-1"), (False, "")]
    assert removed == [True, False]
    assert later == (True, "worker-2")
    assert found == ["b", None, "d"]
    assert pool.get("worker-1") is None


# logs


def test_log_file_goes_to_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "logpath", str(tmp_path / "logs"))

    logger = log.getFileLogger("%(message)s", logging.INFO, "mine")
    logger.info("hello")
    for handler in logger.handlers:
        handler.close()

    assert (tmp_path / "logs" / "mine.log").read_text() == "hello\n"


def test_log_folder_that_cannot_be_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(log, "logpath", str(tmp_path / "file" / "logs"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    logger = log.getFileLogger("%(message)s", logging.INFO, "replaced")
    logger.info("hello")
    for handler in logger.handlers:
        handler.close()

    assert (tmp_path / "athena-wrapper-logs" / "replaced.log").read_text() == "hello\n"
    assert "cannot write into" in caplog.text


def test_a_wrapper_writes_its_schema_document() -> None:
    class Asked:
        mode = StringParamField(key="mode", enums=["fast", "good"])
        text = StringBodyField(key="text")

    class Answered:
        accept = StringBodyField(key="result")

    class Documented(WrapperBase):
        serviceId = "documented"
        requestCls = Asked()
        responseCls = Answered()

    older = json.loads(Documented().schema())
    newer = json.loads(Documented(legacy=False).schema())

    assert older["meta"]["serviceId"] == newer["meta"]["serviceId"] == "documented"
    for document, header in ((older, "device.imei"), (newer, "imei")):
        assert header in document["schemainput"]["properties"]["header"]["properties"]
        own = document["schemainput"]["properties"]["parameter"]["properties"]["documented"]["properties"]
        assert own["mode"]["enum"] == ["fast", "good"]
    assert Documented().schema_v2() == Documented(legacy=False).schema()
