"""A model of known cost that tells where it ran; a stand-in for one that needs a GPU."""

import json
import os
import random
import time
from pathlib import Path

from athena.sdk import (
    DataListCls,
    JsonBodyField,
    Response,
    ResponseData,
    StringBodyField,
    StringParamField,
    WrapperBase,
    device,
)


class UserRequest:
    """What the caller may send."""

    tag = StringParamField(key="tag")
    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_run = JsonBodyField(key="run")


class Wrapper(WrapperBase):
    """Takes `batch_ms` for a call and `item_ms` for each job in it, and answers where and when it ran.

    With `jitter` above 0, each call takes up to that share more or less.

    With the environment variable `GPU_MODEL_LOG`, a folder, each process writes its calls there: begin and
    end on the monotonic clock in nanoseconds, its GPU, and the tags of the jobs.
    """

    serviceId = "gpu_model"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self._batch_s = float(config["batch_ms"]) / 1000
        self._item_s = float(config["item_ms"]) / 1000
        self._jitter = float(config["jitter"])
        folder = os.environ.get("GPU_MODEL_LOG")
        self._log = (Path(folder) / f"{os.getpid()}.jsonl").open("a", buffering=1) if folder else None
        return 0

    def wrapperFini(self) -> int:
        if self._log:
            self._log.close()
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        return self.wrapperBatchExec([params], [reqData])[0]

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response]:
        begin_ns = time.monotonic_ns()
        cost_s = self._batch_s + self._item_s * len(params_list)
        time.sleep(cost_s * random.uniform(1 - self._jitter, 1 + self._jitter))
        run = {
            "begin_ns": begin_ns,
            "end_ns": time.monotonic_ns(),
            "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "gpu_type": device.current().gpu_type,
            "gpu_id": device.current().gpu_id,
            "memory_limit_mb": device.current().memory_limit_mb,
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "batch": len(params_list),
        }
        if self._log:
            tags = [params.get("tag", "") for params in params_list]
            self._log.write(json.dumps({**run, "tags": tags}) + "\n")
        return [_response(run) for _ in params_list]


def _response(run: dict[str, object]) -> Response:
    answer = ResponseData(key="run")
    answer.setData(json.dumps(run))
    response = Response()
    response.list = [answer]
    return response
