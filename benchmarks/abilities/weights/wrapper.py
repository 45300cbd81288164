"""Runs one model, and tells what that cost: `WEIGHTS_MODEL` is its file."""

import os
import time

from athena.sdk import JsonBodyField, StringBodyField, WrapperBase, answer, onnx


class UserRequest:
    """What the caller may send."""

    seed = StringBodyField(key="seed")


class UserResponse:
    """What the caller gets."""

    told = JsonBodyField(key="told")


class Wrapper(WrapperBase):
    """One large model."""

    serviceId = "weights"
    version = "1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        """Opens the model, and runs it once."""
        import numpy

        self._numpy = numpy
        began_s = time.monotonic()
        self._model = onnx.open_session(os.environ["WEIGHTS_MODEL"])
        self._load_s = time.monotonic() - began_s
        (self._input,) = self._model.inputs
        self._width = self._model.inputs[self._input][1]
        return 0

    def wrapperOnceExec(self, params: object, reqData: object, usrTag: str = "", persId: int = 0) -> object:
        """Answers with numbers of the model's answer to what follows from the seed."""
        seed = int(reqData.get("seed").data)  # type: ignore[attr-defined]
        rows = self._numpy.random.default_rng(seed).standard_normal((1 + seed % 2 * 7, self._width))
        began_s = time.thread_time()
        (found,) = self._model.run({self._input: rows.astype("float32")})
        took_ms = (time.thread_time() - began_s) * 1000
        told = {"pid": os.getpid(), "load_s": self._load_s, "rows": len(rows), "cpu_ms": took_ms}
        return answer(told={**told, "sum": repr(float(found.sum())), "last": repr(float(found[-1, -1]))})
