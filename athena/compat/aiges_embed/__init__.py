"""What the original C++ loader offered to wrappers; here the same objects as in `athena.sdk`."""

from athena.sdk.data import DataListCls, DataListNode, Response, ResponseData, SessionCreateResponse
from athena.sdk.results import callback, callback_metric, callback_trace

__all__ = [
    "DataListCls",
    "DataListNode",
    "Response",
    "ResponseData",
    "SessionCreateResponse",
    "callback",
    "callback_metric",
    "callback_trace",
]
