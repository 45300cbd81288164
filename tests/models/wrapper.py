"""Serves a package: beside it lies `subject.py`, which knows the package and nothing of Athena."""

from typing import Any

import made
import subject

from athena.sdk import (
    AudioBodyField,
    DataListCls,
    ImageBodyField,
    JsonBodyField,
    Response,
    StringBodyField,
    WrapperBase,
    answer,
)

FIELDS = {"audio": AudioBodyField, "image": ImageBodyField, "text": StringBodyField}


class Asked:
    """What such models are given."""

    data = FIELDS[made.TYPE](key="data")


class Answered:
    """What the package says of it."""

    found = JsonBodyField(key="found")


def bytes_of(inputs: DataListCls) -> bytes:
    node = inputs.get("data")
    return node.data if node else b""


class Wrapper(WrapperBase):
    """Hands bytes on to the package."""

    requestCls = Asked()
    responseCls = Answered()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.model: Any = subject.load()
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        return answer(found=subject.answer(self.model, bytes_of(reqData)))

    if hasattr(subject, "answers"):

        def wrapperBatchExec(
            self, params_list: list[dict[str, str]], req_list: list[DataListCls]
        ) -> list[Response]:
            found = subject.answers(self.model, list(map(bytes_of, req_list)))
            return [answer(found=item) for item in found]
