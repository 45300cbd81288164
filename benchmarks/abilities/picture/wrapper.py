"""Says how large a picture is and how it ends: what is measured is the picture's way here."""

from athena.sdk import DataListCls, ImageBodyField, Response, ResponseData, StringBodyField, WrapperBase


class UserRequest:
    """What the caller sends."""

    image = ImageBodyField(key="image", encoding="raw")


class UserResponse:
    """What the caller gets."""

    accept_size = StringBodyField(key="size")


class Wrapper(WrapperBase):
    """Looks at the end of a picture."""

    serviceId = "picture"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        node = reqData.get("image")
        data = node.data if node else b""
        output = ResponseData(key="size")
        output.setData(f"{len(data)} {data[-8:].hex()}".encode())
        response = Response()
        response.list = [output]
        return response
