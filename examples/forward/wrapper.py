"""Passes a text on to an HTTP API elsewhere and returns its answer."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from athena.sdk import DataListCls, Response, ResponseData, StringBodyField, WrapperBase

NO_UTF8 = 1
UNREACHABLE = 2
REFUSED = 3
NO_ANSWER = 4
TOO_LARGE = 5

MAX_ANSWER_BYTES = 1_000_000

TEXTS = {
    NO_UTF8: "payload.text is not UTF-8",
    UNREACHABLE: "the API cannot be reached, or did not answer in time",
    REFUSED: "the API refused the request",
    NO_ANSWER: "the API's answer is no JSON object with a text 'translation'",
    TOO_LARGE: f"the API's answer has more than {MAX_ANSWER_BYTES} bytes",
}


class ForwardError(Exception):
    """The other side did not do its part; `code` says how."""

    def __init__(self, code: int) -> None:
        super().__init__(TEXTS[code])
        self.code = code


class UserRequest:
    """What the caller sends."""

    text = StringBodyField(key="text", value=b"hello")


class UserResponse:
    """What the caller gets."""

    accept_translation = StringBodyField(key="translation")


class Wrapper(WrapperBase):
    """Mostly waits; so `worker.concurrency` in ability.toml lets it do so for many requests at once."""

    serviceId = "forward"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.url = config["url"]
        self.timeout_s = float(config["timeout_s"])
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        node = reqData.get("text")
        try:
            translation = translate(self.url, node.data if node is not None else b"", self.timeout_s)
        except ForwardError as error:
            return Response().response_err(error.code)
        output = ResponseData(key="translation")
        output.setData(translation)
        response = Response()
        response.list = [output]
        return response

    def wrapperError(self, ret: int) -> str:
        return TEXTS.get(ret, "")


def translate(url: str, text: bytes, timeout_s: float) -> str:
    """Returns the API's translation.

    Raises:
        ForwardError: there is none.
    """
    try:
        body = json.dumps({"text": text.decode()}).encode()
    except UnicodeDecodeError:
        raise ForwardError(NO_UTF8) from None
    answer = read_json(post(url, body, timeout_s))
    translation = answer.get("translation") if isinstance(answer, dict) else None
    if not isinstance(translation, str):
        raise ForwardError(NO_ANSWER)
    return translation


def post(url: str, body: bytes, timeout_s: float) -> bytes:
    """Returns what the API answers.

    Raises:
        ForwardError: it did not answer well.
    """
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            data: bytes = answer.read(MAX_ANSWER_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise ForwardError(REFUSED) from None
    except (OSError, http.client.HTTPException):
        raise ForwardError(UNREACHABLE) from None
    if len(data) > MAX_ANSWER_BYTES:
        raise ForwardError(TOO_LARGE)
    return data


def read_json(data: bytes) -> Any:
    """Returns what a JSON text says.

    Raises:
        ForwardError: it is none.
    """
    try:
        return json.loads(data)
    except ValueError:
        raise ForwardError(NO_ANSWER) from None
