"""Answers in capitals, with a native library that may lose its state; writes down each of its calls.

Variables: `FRAGILE_LIBRARY` is the compiled `state.c`, `FRAGILE_LOG` the file that is written to,
`FRAGILE_CALLS` after how many calls the library breaks (none: never), `FRAGILE_LICENCE` a file without which
no call succeeds.
"""

import ctypes
import os
import time
from pathlib import Path

from athena.sdk import (
    DataListCls,
    Response,
    ResponseData,
    StringBodyField,
    StringParamField,
    WrapperBase,
)


class UserRequest:
    """What the caller may send."""

    mode = StringParamField(key="mode", enums=["good", "poison", "refuse"])
    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """One more user of the library."""

    serviceId = "fragile"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self._log = os.open(os.environ["FRAGILE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._library = ctypes.CDLL(os.environ["FRAGILE_LIBRARY"])
        self._library.begin(int(os.environ.get("FRAGILE_CALLS") or -1))
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        text = reqData.get("text").data.decode()
        kind = "example" if text == "example" else "job"
        try:
            self._compute(params.get("mode", ""))
        except Exception:
            self._note(f"{kind} failed")
            raise
        self._note(f"{kind} ok")
        answer = ResponseData(key="text")
        answer.setData(text.upper())
        response = Response()
        response.list = [answer]
        return response

    def _compute(self, mode: str) -> None:
        if mode == "refuse":
            raise ValueError("this input is of no use")
        if mode == "poison":
            self._library.spoil()
        licence = os.environ.get("FRAGILE_LICENCE")
        if licence and not Path(licence).exists():
            raise RuntimeError("the licence is lost")
        code = self._library.compute()
        if code:
            raise RuntimeError(f"the library has lost its state ({code})")

    def _note(self, text: str) -> None:
        os.write(self._log, f"{os.getpid()} {time.monotonic()} {text}\n".encode())
