"""Writes down each of its runs, so that a test can count them; does what the parameter `mode` says."""

import hashlib
import multiprocessing
import os
import subprocess
import time
import uuid
from pathlib import Path

from athena.sdk import (
    DataListCls,
    NumberParamField,
    Response,
    ResponseData,
    StringBodyField,
    StringParamField,
    WrapperBase,
)

#: Long enough that they end with their worker, not before.
CHILD_S = 1200


class UserRequest:
    """What the caller may send."""

    mode = StringParamField(key="mode")
    seconds = NumberParamField(key="seconds", maximum=3600)
    child_s = NumberParamField(key="child_s", maximum=3600)
    tag = StringParamField(key="tag")
    text = StringBodyField(key="text")


class UserResponse:
    """What the caller gets."""

    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    """Answers with an id of the run, different each time, and a digest of the input."""

    serviceId = "ledger"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self._file = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return 0

    def wrapperFini(self) -> int:
        os.close(self._file)
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        return self._run(params, reqData)

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response]:
        return [self._run(*job) for job in zip(params_list, req_list, strict=True)]

    def _run(self, params: dict[str, str], inputs: DataListCls) -> Response:
        run, tag, mode = uuid.uuid4().hex, params.get("tag", ""), params.get("mode", "")
        self._write("begin", tag, run)
        if mode == "family":
            self._start_children(tag, float(params.get("child_s", CHILD_S)))
        self._act(mode, float(params.get("seconds", 0)))
        self._write("end", tag, run)
        if mode == "fail":
            return Response().response_err(42)
        digest = hashlib.sha256(tag.encode() + b"\0" + inputs.list[0].data).hexdigest()[:12]
        answer = ResponseData(key="text")
        answer.setData(f"{run}.{digest}")
        response = Response()
        response.list = [answer]
        return response

    def _write(self, word: str, tag: str, run: str) -> None:
        """Adds a line, with the time on the clock that all processes of a machine share."""
        os.write(self._file, f"{word} {tag} {run} {os.getpid()} {time.monotonic():.6f}\n".encode())

    def _start_children(self, tag: str, seconds: float) -> None:
        """Starts a program and a copy of this process, and leaves them alone."""
        program = subprocess.Popen(["sleep", str(seconds)])
        copy = multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,))
        copy.start()
        for pid in (program.pid, copy.pid):
            # Numbers of processes come again, but not with the same start.
            started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
            os.write(self._file, f"child {tag} {pid} {started} {os.getpid()}\n".encode())

    def _act(self, mode: str, seconds: float) -> None:
        if mode == "die":
            os._exit(3)
        if mode == "hold":
            # Keeps the interpreter to itself, as a long regular expression does.
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                sum(range(20_000_000))
        else:
            time.sleep(seconds)
