"""The ability ${name}: what the worker loads and runs.

`requestCls` and `responseCls` say what callers send and get; requests that do not fit never come here.
"""

import json

from athena.sdk import (
    BooleanParamField,
    DataListCls,
    JsonBodyField,
    Response,
    ResponseData,
    StringBodyField,
    WrapperBase,
)

NO_TEXT = 100


class UserRequest:
    """What callers send: parameters and inputs. `value` is data for tests."""

    upper = BooleanParamField(key="upper", title="answer in capital letters")
    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    """What callers get."""

    accept_result = JsonBodyField(key="result")


class Wrapper(WrapperBase):
    """Counts the words of a text; put your model in its place."""

    serviceId = "${name}"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Loads the model; called once, before the first request. `config` is [config] of ability.toml."""
        self.separator = config.get("separator") or None
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        """Answers one request. A parameter is read by its field; data is bytes, texts in UTF-8."""
        node = reqData.get("text")
        if node is None or not node.data:
            return Response().response_err(NO_TEXT)
        words = node.data.decode().split(self.separator)
        if UserRequest.upper.of(params):
            words = [word.upper() for word in words]
        answer = ResponseData(key="result")
        answer.setData(json.dumps({"count": len(words), "words": words}, ensure_ascii=False))
        response = Response()
        response.list = [answer]
        return response

    def wrapperError(self, ret: int) -> str:
        """Explains this ability's own error codes to callers."""
        return {NO_TEXT: "payload.text is empty"}.get(ret, "")

    def wrapperFini(self) -> int:
        """Releases what wrapperInit took; called once, at shutdown."""
        return 0


if __name__ == "__main__":
    Wrapper().run()
