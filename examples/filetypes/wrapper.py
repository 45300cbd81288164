"""Tells what kind of file bytes are: magika, whose session gets the worker's share of the cores by itself."""

from typing import Any

from magika import Magika

from athena.sdk import DataListCls, InputError, JsonBodyField, OtherBodyField, Response, WrapperBase, answer


class UserRequest:
    """What the caller sends: any file."""

    file = OtherBodyField(key="file")


class UserResponse:
    """What the caller gets: a JSON object, see `describe`."""

    accept_type = JsonBodyField(key="type")


class Wrapper(WrapperBase):
    """Asks the model."""

    serviceId = "filetypes"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.model = Magika()
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        node = reqData.get("file")
        if node is None or not node.data:
            raise InputError("is empty", "file")
        return answer(type=describe(self.model.identify_bytes(node.data)))


def describe(found: Any) -> dict[str, Any]:
    """Returns what the model says, as JSON."""
    kind = found.output
    return {
        "label": str(kind.label),
        "mime_type": kind.mime_type,
        "group": kind.group,
        "description": kind.description,
        "is_text": kind.is_text,
        "score": round(float(found.score), 4),
    }
