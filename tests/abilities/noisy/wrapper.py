"""Does to its process what wrappers do that were never meant to share one."""

import atexit
import logging
import os
import signal
import sys
import threading
import time

from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase

print("a wrapper that talks while it is imported")
sys.stdout.buffer.write(b"\xff\xfe no text\n")
logging.basicConfig(level=logging.DEBUG, force=True)
signal.signal(signal.SIGTERM, lambda number, frame: None)
signal.signal(signal.SIGINT, signal.SIG_IGN)
atexit.register(print, "a wrapper that talks when it ends")


class UserRequest:
    text = StringBodyField(key="text")


class UserResponse:
    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        os.chdir("/")
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        threading.Thread(target=time.sleep, args=(600,)).start()
        threading.Thread(target=self.fail_loudly).start()
        return 0

    def fail_loudly(self):
        raise RuntimeError("in a thread of the wrapper's own")

    def wrapperOnceExec(self, params, reqData):
        print("working", flush=True)
        sys.stderr.write("working\n" * 100)
        answer = ResponseData("text")
        answer.setData(reqData.get("text").data)
        response = Response()
        response.list = [answer]
        return response

    def wrapperFini(self):
        print("wrapperFini was called", flush=True)
