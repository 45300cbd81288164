"""What a wrapper.py imports: the base class, the field declarations and the data that goes in and out.

A minimal ability::

    from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase


    class UserRequest:
        text = StringBodyField(key="text")


    class UserResponse:
        accept_text = StringBodyField(key="text")


    class Wrapper(WrapperBase):
        serviceId = "echo"
        version = "v1"
        requestCls = UserRequest()
        responseCls = UserResponse()

        def wrapperInit(self, config):
            return 0

        def wrapperFini(self):
            return 0

        def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
            answer = ResponseData(key="text")
            answer.setData(reqData.get("text").data)
            response = Response()
            response.list = [answer]
            return response
"""

from athena.sdk import device, job, metrics
from athena.sdk.answers import answer
from athena.sdk.batches import BatchWrapper
from athena.sdk.data import DataListCls, DataListNode, Response, ResponseData, SessionCreateResponse
from athena.sdk.errors import Broken, InputError
from athena.sdk.fields import (
    AudioBodyField,
    BooleanParamField,
    Field,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    OtherBodyField,
    ParamField,
    PayloadField,
    StringBodyField,
    StringParamField,
    VideoBodyField,
)
from athena.sdk.pictures import picture
from athena.sdk.results import callback, callback_metric, callback_trace
from athena.sdk.sound import audio, wav
from athena.sdk.stream import SessionManager, StreamHandleThread
from athena.sdk.wrapper import WrapperBase

__all__ = [
    "AudioBodyField",
    "BatchWrapper",
    "BooleanParamField",
    "Broken",
    "DataListCls",
    "DataListNode",
    "Field",
    "ImageBodyField",
    "InputError",
    "IntegerParamField",
    "JsonBodyField",
    "NumberParamField",
    "OtherBodyField",
    "ParamField",
    "PayloadField",
    "Response",
    "ResponseData",
    "SessionCreateResponse",
    "SessionManager",
    "StreamHandleThread",
    "StringBodyField",
    "StringParamField",
    "VideoBodyField",
    "WrapperBase",
    "answer",
    "audio",
    "callback",
    "callback_metric",
    "callback_trace",
    "device",
    "job",
    "metrics",
    "picture",
    "wav",
]
