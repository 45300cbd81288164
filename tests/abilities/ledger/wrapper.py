"""Writes down each of its runs, so that a test can count them; does what the parameter `mode` says."""

import os
import time
import uuid

from athena.sdk import (
    DataListCls,
    NumberParamField,
    Response,
    ResponseData,
    StringBodyField,
    StringParamField,
    WrapperBase,
)


class UserRequest:
    """What the caller may send."""

    mode = StringParamField(key="mode")
    seconds = NumberParamField(key="seconds", maximum=3600)
    tag = StringParamField(key="tag")
    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Answers with an id of the run, different each time."""

    serviceId = "ledger"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self._file = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return 0

    def wrapperFini(self) -> int:
        os.close(self._file)
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        return self._run(params)

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response]:
        return [self._run(params) for params in params_list]

    def _run(self, params: dict[str, str]) -> Response:
        run = uuid.uuid4().hex
        os.write(self._file, f"begin {params.get('tag', '')} {run} {os.getpid()}\n".encode())
        self._act(params.get("mode", ""), float(params.get("seconds", 0)))
        os.write(self._file, f"end {params.get('tag', '')} {run} {os.getpid()}\n".encode())
        answer = ResponseData(key="text")
        answer.setData(run)
        response = Response()
        response.list = [answer]
        return response

    def _act(self, mode: str, seconds: float) -> None:
        if mode == "die":
            os._exit(3)
        if mode == "hold":
            # Keeps the interpreter to itself, as a long regular expression does.
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                sum(range(20_000_000))
        else:
            time.sleep(seconds)
