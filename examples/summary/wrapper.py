"""Shortens a text to its most telling sentences."""

import re
from collections import Counter

from athena.sdk import (
    DataListCls,
    IntegerParamField,
    Response,
    ResponseData,
    StringBodyField,
    WrapperBase,
)

NO_UTF8 = 1

DEFAULT_SENTENCES = 3

#: A sentence ends with a full stop and a space, with a Chinese one, or with an empty line.
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])\s*|\n\s*\n")

#: Words of letters; each Chinese character counts as one.
_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W\d_\u4e00-\u9fff]{3,}")


class UserRequest:
    """What the caller sends."""

    sentences = IntegerParamField(
        key="sentences", minimum=1, maximum=10, default=DEFAULT_SENTENCES, description="how many to keep"
    )
    text = StringBodyField(
        key="text", value=b"Queues keep work. Workers do the work that queues keep. It rained."
    )


class UserResponse:
    """What the caller gets."""

    accept_summary = StringBodyField(key="summary")


class Wrapper(WrapperBase):
    """Keeps the sentences whose words are the most frequent, in their order."""

    serviceId = "summary"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        node = reqData.get("text")
        try:
            text = node.data.decode() if node is not None else ""
        except UnicodeDecodeError:
            return Response().response_err(NO_UTF8)
        output = ResponseData(key="summary")
        output.setData(summarize(text, UserRequest.sentences.of(params)))
        response = Response()
        response.list = [output]
        return response

    def wrapperError(self, ret: int) -> str:
        return "payload.text is not UTF-8" if ret == NO_UTF8 else ""


def summarize(text: str, count: int) -> str:
    """Returns at most `count` sentences of a text."""
    sentences = [item.strip() for item in _SENTENCE_END.split(text) if item.strip()]
    words = [_WORD.findall(sentence.lower()) for sentence in sentences]
    frequency = Counter(word for listed in words for word in listed)
    scores = [sum(frequency[word] for word in listed) / (len(listed) + 3) for listed in words]
    best = sorted(range(len(sentences)), key=lambda place: (-scores[place], place))[:count]
    return " ".join(sentences[place] for place in sorted(best))
