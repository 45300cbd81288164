"""The data that a wrapper is handed and hands back."""

import json
from typing import Any

from athena.sdk.types import DATA_FIELD_BY_TYPE, DataOnce, DataText

Bytes = bytes | bytearray | memoryview


def as_bytes(value: Any) -> bytes:
    """Returns `value` as bytes; str becomes UTF-8.

    Raises:
        TypeError: `value` is neither str nor a bytes-like object.
        UnicodeEncodeError: it is a str with half of a surrogate pair.
    """
    if type(value) is bytes:
        return value
    if isinstance(value, str):
        # A subclass of str may have an `encode` of its own, and may return anything.
        return str.encode(value)
    if isinstance(value, Bytes):
        return bytes(memoryview(value))
    raise TypeError(f"data must be bytes or str, got {type(value).__name__}")


class DataListNode:
    """One input of a job.

    Attributes:
        key: the input's name in the request's payload.
        data: its bytes, base64 already removed.
        len: number of bytes.
        type: data type number (0 text, 1 audio, 2 image, 3 video).
        status: 3 for a whole request in one message.
        attributes: what else the caller wrote beside the data (`encoding`, `format`, …), as strings.
    """

    __slots__ = ("attributes", "data", "key", "len", "status", "type")

    def __init__(
        self,
        key: str = "",
        data: bytes = b"",
        type: int = DataText,
        status: int = DataOnce,
        attributes: dict[str, str] | None = None,
    ) -> None:
        self.key = key
        self.data = data
        self.len = len(data)
        self.type = type
        self.status = status
        self.attributes = attributes or {}

    @property
    def desc(self) -> dict[str, str]:
        """The attributes, by the name of the gRPC loader."""
        return self.attributes

    def get_data(self) -> bytes:
        """Returns the input's bytes."""
        return self.data


class DataListCls:
    """All inputs of a job, in the order of the request."""

    __slots__ = ("list",)

    def __init__(self, nodes: list[DataListNode] | None = None) -> None:
        self.list = nodes if nodes is not None else []

    def get(self, key: str) -> DataListNode | None:
        """Returns the input named `key`, or None."""
        for node in self.list:
            if node.key == key:
                return node
        return None


class ResponseData:
    """One output of a job; `data` and `len` may be assigned, `len` follows `data` by itself."""

    __slots__ = ("_data", "key", "len", "status", "type")

    def __init__(
        self,
        key: str = "",
        data: Any = b"",
        length: int = 0,
        type: int = DataText,
        status: int = DataOnce,
    ) -> None:
        self.key = key
        self.type = type
        self.status = status
        self.data = data
        if length:
            self.len = length

    @property
    def data(self) -> Any:
        """The output as the wrapper gave it: bytes, bytearray, memoryview or str."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = value
        self.len = len(value) if hasattr(value, "__len__") else 0

    def setData(self, data: Any) -> None:
        """Sets the output and its length; str is stored as UTF-8.

        Raises:
            TypeError: `data` is neither str nor a bytes-like object.
        """
        try:
            self.data = as_bytes(data)
        except TypeError as error:
            raise TypeError(
                f"output {self.key!r}: {error}; athena.sdk.answer({self.key or 'name'}=...) takes JSON, "
                "arrays and pictures too"
            ) from None

    def setDataType(self, type: int) -> None:
        """Sets the data type number.

        Raises:
            ValueError: `type` is not 0 to 3.
        """
        if type not in DATA_FIELD_BY_TYPE:
            raise ValueError(f"data type must be 0 to 3, got {type!r}")
        self.type = type

    def toJSON(self) -> str:
        """Returns the output as JSON, for logs; bytes as text where they are text."""
        data = as_bytes(self.data).decode(errors="replace")
        members = {"key": self.key, "data": data, "len": self.len, "type": self.type, "status": self.status}
        return json.dumps(members, ensure_ascii=False)


class Response:
    """What `wrapperOnceExec` returns: outputs in `list`, or an `error_code` that is not 0."""

    def __init__(self) -> None:
        self.list: list[ResponseData] = [ResponseData()]
        self.error_code = 0

    @property
    def errCode(self) -> int:
        """`error_code` by its name in SDK 0.2."""
        return self.error_code

    @errCode.setter
    def errCode(self, code: int) -> None:
        self.error_code = code

    @property
    def err_code(self) -> int:
        """`error_code` by its name in SDK 0.2.9."""
        return self.error_code

    @err_code.setter
    def err_code(self, code: int) -> None:
        self.error_code = code

    def response_err(self, code: int) -> "Response":
        """Marks this response as failed with the wrapper's own `code` and returns it."""
        self.error_code = code
        return self

    def toJSON(self) -> str:
        """Returns the response as JSON, for logs."""
        items = [json.loads(item.toJSON()) for item in self.list]
        return json.dumps({"list": items, "error_code": self.error_code}, ensure_ascii=False)


class SessionCreateResponse:
    """What `wrapperCreate` returns: the session's handle, or an `error_code` that is not 0."""

    def __init__(self) -> None:
        self.handle = ""
        self.error_code = 0

    def toJSON(self) -> str:
        """Returns the answer as JSON, for logs."""
        return json.dumps({"handle": self.handle, "error_code": self.error_code})
