"""The base class and the declarations."""

from athena.sdk import (
    AudioBodyField,
    BooleanParamField,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    ParamField,
    PayloadField,
    SessionManager,
    StreamHandleThread,
    StringBodyField,
    StringParamField,
    VideoBodyField,
    WrapperBase,
)

__all__ = [
    "AudioBodyField",
    "BooleanParamField",
    "ImageBodyField",
    "IntegerParamField",
    "JsonBodyField",
    "NumberParamField",
    "ParamField",
    "PayloadField",
    "SessionManager",
    "StreamHandleThread",
    "StringBodyField",
    "StringParamField",
    "VideoBodyField",
    "WrapperBase",
]
