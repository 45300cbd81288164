"""Works in steps, tells how far it is, and ends early when nobody wants the answer any more."""

import time
from pathlib import Path

from athena.sdk import (
    DataListCls,
    IntegerParamField,
    Response,
    ResponseData,
    StringBodyField,
    StringParamField,
    WrapperBase,
    job,
)

STEP_S = 0.1


class UserRequest:
    """What the caller may send."""

    steps = IntegerParamField(key="steps", maximum=1000)
    note = StringParamField(key="note", maxLength=1000, description="file that a cancel is noted in")
    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Takes its time, unless it is canceled."""

    serviceId = "patient"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        steps = int(params.get("steps", 1))
        done = 0
        while done < steps and not job.cancelled():
            time.sleep(STEP_S)
            done += 1
            job.progress(done / steps)
        if done < steps:
            Path(params["note"]).write_text(str(done))
        answer = ResponseData(key="text")
        answer.setData(str(done))
        response = Response()
        response.list = [answer]
        return response
