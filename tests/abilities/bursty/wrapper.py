"""Takes its time and no processor, four jobs at once: many workers fit on one machine."""

import time

from athena.sdk import (
    DataListCls,
    NumberParamField,
    Response,
    ResponseData,
    StringBodyField,
    WrapperBase,
)


class UserRequest:
    """What the caller may send."""

    seconds = NumberParamField(key="seconds", maximum=20)
    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Answers with its input, after some seconds."""

    serviceId = "bursty"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        time.sleep(float(params.get("seconds", 0)))
        answer = ResponseData(key="text")
        answer.setData(reqData.list[0].data)
        response = Response()
        response.list = [answer]
        return response
