"""A wrapper of SDK 0.1.8 to 0.5: old import paths, two arguments, data and length assigned."""

try:
    from aiges_embed import Response, ResponseData
except ImportError:
    from aiges.dto import Response, ResponseData
from aiges.sdk import ImageBodyField, StringBodyField, StringParamField, WrapperBase
from aiges.types import DataText, Once
from aiges.utils.log import getFileLogger, log


class UserRequest:
    input1 = StringParamField(key="p1", enums=["round", "plain"], value="plain")
    input2 = StringBodyField(key="text", value="hello")
    input3 = ImageBodyField(key="pic", path="missing.png")


class UserResponse:
    accept1 = StringBodyField(key="result")


class Wrapper(WrapperBase):
    serviceId = "old"
    version = "backup.0"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.filelogger = None

    def wrapperInit(cls, config):
        log.info("initializing")
        cls.filelogger = getFileLogger()
        return 0

    def wrapperOnceExec(cls, params, reqData):
        text = reqData.get("text").data.decode()
        cls.filelogger.info("got %s", params["sid"])
        response = Response()
        item = ResponseData()
        item.key = "result"
        item.type = DataText
        item.status = Once
        item.data = text[::-1] if params.get("p1") == "round" else text
        item.len = len(item.data)
        response.list = [item]
        return response

    def wrapperFini(cls):
        return 0

    def wrapperError(cls, ret):
        return "user error" if ret == 100 else ""

    def wrapperTestFunc(cls, data, respData):
        pass


if __name__ == "__main__":
    Wrapper().run()
