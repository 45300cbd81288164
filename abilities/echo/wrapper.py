"""Answers with what it was sent: the smallest ability there is."""

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

    suffix = StringParamField(key="suffix", maxLength=100, description="appended to the text")
    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Echoes the input `text`."""

    serviceId = "echo"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperFini(self) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        node = reqData.get("text")
        text = node.data if node else b""
        answer = ResponseData(key="text")
        answer.setData(text + params.get("suffix", "").encode())
        response = Response()
        response.list = [answer]
        return response
