"""Does what the parameter `mode` says, so that tests can see what a bad wrapper does to the rest."""

import ctypes
import os
import sys
import time

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
    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Misbehaves on request."""

    serviceId = "faulty"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperError(self, ret: int) -> str:
        return "the wrapper's own words"

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        mode = params.get("mode", "")
        time.sleep(float(params.get("seconds", 0)))
        response = Response()
        if mode == "raise":
            raise RuntimeError("the model is not in the mood")
        if mode == "exit":
            sys.exit(3)
        if mode == "os_exit":
            os._exit(3)
        if mode == "segfault":
            ctypes.string_at(0)
        if mode == "none":
            return None  # type: ignore[return-value]
        if mode == "code":
            return response.response_err(42)
        if mode == "undeclared":
            response.list = [ResponseData(key="surprise", data=b"x")]
            return response
        answer = ResponseData(key="text")
        answer.setData(f"{os.getpid()}")
        response.list = [answer]
        return response
