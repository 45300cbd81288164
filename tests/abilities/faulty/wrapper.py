"""Does what the parameter `mode` says, so that tests can see what a bad wrapper does to the rest."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time

from athena.sdk import (
    DataListCls,
    InputError,
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
        _do_harm(mode)
        if mode == "children":
            return _answer(response, " ".join(str(process.pid) for process in _start_children()))
        if mode == "fork":
            return _answer(response, _fork_and_terminate())
        if mode == "none":
            return None  # type: ignore[return-value]
        if mode == "code":
            return response.response_err(42)
        if mode == "undeclared":
            response.list = [ResponseData(key="surprise", data=b"x")]
            return response
        return _answer(response, f"{os.getpid()}")


def _do_harm(mode: str) -> None:
    if mode == "raise":
        raise RuntimeError("the model is not in the mood")
    if mode == "input":
        raise InputError("holds no face", "text")
    if mode == "exit":
        sys.exit(3)
    if mode == "os_exit":
        os._exit(3)
    if mode == "segfault":
        ctypes.string_at(0)
    if mode == "print":
        print("printed by the wrapper", end="")
    if mode == "last words":
        print("these are the last words")
        os.kill(os.getpid(), signal.SIGKILL)


def _answer(response: Response, text: str) -> Response:
    answer = ResponseData(key="text")
    answer.setData(text)
    response.list = [answer]
    return response


def _start_children() -> list["subprocess.Popen[bytes]"]:
    """Starts processes that outlive the call: in our session, in one of their own, and deaf to SIGTERM."""
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    return [
        subprocess.Popen(["sleep", "600"]),
        subprocess.Popen(["sleep", "600"], start_new_session=True, env={}),
        subprocess.Popen(["sh", "-c", deaf], start_new_session=True),
    ]


def _fork_and_terminate() -> str:
    forks = multiprocessing.get_context("fork")
    child = forks.Process(target=time.sleep, args=(600,))
    child.start()
    child.terminate()
    child.join(60)
    with forks.Pool(2) as pool:
        pool.apply_async(time.sleep, (600,))
        pool.terminate()
        pool.join()
    return f"ended with {child.exitcode}"
