"""Answers at once, or when a file is gone: `closed` in the `[config]` of ability.toml names it."""

import time
from pathlib import Path

from athena.sdk import (
    DataListCls,
    Response,
    ResponseData,
    StringBodyField,
    WrapperBase,
)

LOOK_S = 0.05


class UserRequest:
    """What the caller may send."""

    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Returns the input `text`."""

    serviceId = "gate"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self._closed = Path(config["closed"]) if config.get("closed") else None
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        while self._closed and self._closed.exists():
            time.sleep(LOOK_S)
        node = reqData.get("text")
        answer = ResponseData(key="text")
        answer.setData(node.data if node else b"")
        response = Response()
        response.list = [answer]
        return response

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response]:
        return [self.wrapperOnceExec(*one) for one in zip(params_list, req_list, strict=True)]
