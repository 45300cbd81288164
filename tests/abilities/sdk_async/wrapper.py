"""A wrapper that answers by callback, from threads of its own."""

import threading

from aiges.core.types import Once
from aiges.dto import Response, ResponseData, callback
from aiges.sdk import StringBodyField, WrapperBase


class UserRequest:
    text = StringBodyField(key="text")


class UserResponse:
    accept = StringBodyField(key="result")


class Wrapper(WrapperBase):
    serviceId = "later"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        return 0

    def wrapperFini(self):
        return 0

    def wrapperError(self, ret):
        return "the text is empty" if ret == 100 else ""

    def wrapperOnceExecAsync(self, params, reqData, usrTag="", persId=0):
        threading.Thread(target=self.answer, args=(reqData.get("text").data, usrTag)).start()
        return 0

    def answer(self, text, tag):
        response = Response()
        if text == b"empty":
            callback(response.response_err(100), tag)
            return
        item = ResponseData(key="result", type=0, status=Once)
        item.setData(text.upper())
        response.list = [item]
        callback(response, tag)
