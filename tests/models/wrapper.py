"""Serves a package: beside it lies `subject.py`, which knows the package and nothing of Athena."""

from typing import Any

import subject

from athena.sdk import DataListCls, JsonBodyField, OtherBodyField, Response, WrapperBase, answer


class Asked:
    """Bytes."""

    data = OtherBodyField(key="data")


class Answered:
    """What the package says of them."""

    found = JsonBodyField(key="found")


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
        node = reqData.get("data")
        return answer(found=subject.answer(self.model, node.data if node else b""))
