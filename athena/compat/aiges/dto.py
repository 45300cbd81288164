"""Data that goes in and out, and the numbers of the contract."""

from athena.sdk import types as _types
from athena.sdk.data import DataListCls, DataListNode, Response, ResponseData, SessionCreateResponse
from athena.sdk.results import callback, callback_metric, callback_trace, init_rq
from athena.sdk.types import *

__all__ = [
    "DataListCls",
    "DataListNode",
    "Response",
    "ResponseData",
    "SessionCreateResponse",
    "callback",
    "callback_metric",
    "callback_trace",
    "init_rq",
    *_types.__all__,
]
