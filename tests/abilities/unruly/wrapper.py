"""Says and does on request what wrappers should not, each in its own call or in one with others."""

import os

from athena.sdk import Response, ResponseData, StringBodyField, StringParamField, WrapperBase

HALF = "\ud83d"


class UserRequest:
    mode = StringParamField(key="mode", maxLength=64)
    text = StringBodyField(key="text")


class UserResponse:
    accept_text = StringBodyField(key="text")


class WithoutText(Exception):
    def __str__(self):
        return None


class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        return 0

    def wrapperError(self, code):
        return f"half of an emoji: {HALF}"

    def wrapperOnceExec(self, params, reqData):
        return getattr(self, params.get("mode", "fine"))()

    def wrapperBatchExec(self, params_list, req_list):
        if len(params_list) == 1:
            return [self.wrapperOnceExec(params_list[0], req_list[0])]
        modes = [params.get("mode", "fine") for params in params_list]
        return [getattr(self, f"item_{mode}", self.fine)() for mode in modes]

    def fine(self):
        return self.answer(str(os.getpid()))

    def answer(self, data):
        response = Response()
        response.list = [ResponseData("text", data)]
        return response

    def surrogate(self):
        raise ValueError(f"unknown token {HALF}")

    def code(self):
        return Response().response_err(7)

    def big(self):
        raise ValueError("x" * (20 * 1024 * 1024))

    def control(self):
        raise ValueError("\x1b[2J\nINFO nothing happened\x00")

    def without_text(self):
        raise WithoutText

    def item_surrogate(self):
        return self.answer(HALF)

    def item_without_text(self):
        return WithoutText()

    def item_code(self):
        response = self.answer("")
        response.error_code = type("Odd", (), {"__bool__": lambda self: 1 / 0})()
        return response

    def item_exit(self):
        return SystemExit(3)
