"""Stands for a model on a GPU: a call takes 5 ms and another 0.5 ms for each input."""

import time

from athena.sdk import DataListCls, Response, ResponseData, StringBodyField, WrapperBase

CALL_S = 0.005
ITEM_S = 0.0005


class UserRequest:
    """What the caller sends."""

    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Answers with what it got, after the time that a model would take."""

    serviceId = "batch_model"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        return self.wrapperBatchExec([params], [reqData])[0]

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response]:
        """Runs a batch."""
        time.sleep(CALL_S + ITEM_S * len(req_list))
        return [answer(inputs) for inputs in req_list]


def answer(inputs: DataListCls) -> Response:
    """Returns the input."""
    node = inputs.get("text")
    output = ResponseData(key="text")
    output.setData(node.data if node else b"")
    response = Response()
    response.list = [output]
    return response
