"""Says and does on request what wrappers should not, each in its own call or in one with others."""

import _thread
import asyncio
import io
import locale
import logging.config
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from athena.sdk import Response, ResponseData, StringBodyField, StringParamField, WrapperBase

HALF = "\ud83d"


class UserRequest:
    mode = StringParamField(key="mode", maxLength=64)
    text = StringBodyField(key="text")


class UserResponse:
    accept_text = StringBodyField(key="text")


class WithoutText(Exception):
    def __str__(self):
        return None


class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        return 0

    def wrapperError(self, code):
        return f"half of an emoji: {HALF}"

    def wrapperOnceExec(self, params, reqData):
        return getattr(self, params.get("mode", "fine"))()

    def wrapperBatchExec(self, params_list, req_list):
        if len(params_list) == 1:
            return [self.wrapperOnceExec(params_list[0], req_list[0])]
        modes = [params.get("mode", "fine") for params in params_list]
        return [getattr(self, f"item_{mode}", self.fine)() for mode in modes]

    def fine(self):
        return self.answer(str(os.getpid()))

    def answer(self, data):
        response = Response()
        response.list = [ResponseData("text", data)]
        return response

    def surrogate(self):
        raise ValueError(f"unknown token {HALF}")

    def code(self):
        return Response().response_err(7)

    def big(self):
        raise ValueError("x" * (20 * 1024 * 1024))

    def control(self):
        raise ValueError("\x1b[2J\nINFO nothing happened\x00")

    def without_text(self):
        raise WithoutText

    def alarm(self):
        def on_alarm(number, frame):
            raise TimeoutError("too slow")

        old = signal.signal(signal.SIGALRM, on_alarm)
        signal.alarm(1)
        try:
            time.sleep(1.2)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, old)
        return self.fine()

    def timers(self):
        """What profilers do."""
        ends_s = time.process_time() + 0.2
        for timer, number in (
            (signal.ITIMER_PROF, signal.SIGPROF),
            (signal.ITIMER_VIRTUAL, signal.SIGVTALRM),
        ):
            signal.signal(number, lambda number, frame: None)
            signal.setitimer(timer, 0.01, 0.01)
        while time.process_time() < ends_s:
            pass
        for timer in (signal.ITIMER_PROF, signal.ITIMER_VIRTUAL):
            signal.setitimer(timer, 0)
        return self.fine()

    def words_to_itself(self):
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGIO, signal.SIGRTMIN + 3):
            signal.signal(number, lambda number, frame: None)
            os.kill(os.getpid(), number)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        return self.fine()

    def forks(self):
        """A child that its own alarm ends."""
        pid = os.fork()
        if pid == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            time.sleep(5)
            os._exit(0)
        ended = os.waitpid(pid, 0)[1]
        return self.fine() if os.WTERMSIG(ended) == signal.SIGALRM else self.answer(f"status {ended}")

    def interrupt(self):
        """A time limit as in many snippets; also a loop's handlers."""
        timer = threading.Timer(0.05, _thread.interrupt_main)
        timer.start()
        timer.join()
        loop = asyncio.new_event_loop()
        loop.add_signal_handler(signal.SIGTERM, loop.stop)
        loop.remove_signal_handler(signal.SIGTERM)
        loop.close()
        return self.fine()

    def loop(self):
        """As in a program's main thread, again and again."""
        asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))
        return self.fine()

    def leaves_its_folder(self):
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
        return self.fine()

    def closes_streams(self):
        sys.stdout.close()
        sys.stderr.close()
        return self.fine()

    def replaces_streams(self):
        sys.stdout = sys.stderr = io.StringIO()
        return self.fine()

    def closes_descriptors(self):
        os.close(1)
        os.close(2)
        return self.fine()

    def configures_logs(self):
        logging.config.dictConfig({"version": 1, "root": {"level": "CRITICAL"}})
        logging.basicConfig(force=True, filename=os.devnull)
        logging.disable()
        return self.fine()

    def changes_the_process(self):
        os.umask(0)
        locale.setlocale(locale.LC_ALL, "C" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8")
        asyncio.run(asyncio.sleep(0))
        return self.fine()

    def closes_its_loop(self):
        asyncio.get_event_loop().close()
        return self.fine()

    def look(self):
        """What a job finds."""
        asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))
        print("a line to standard output", flush=True)
        print("a line to standard error", file=sys.stderr, flush=True)
        logging.getLogger("wrapper").error("a line of the wrapper's own logger")
        found = [os.getcwd(), Path("ability.toml").exists(), locale.setlocale(locale.LC_ALL)]
        os.umask(umask := os.umask(0o22))
        return self.answer(repr([*found, umask]))

    def item_surrogate(self):
        return self.answer(HALF)

    def item_without_text(self):
        return WithoutText()

    def item_code(self):
        response = self.answer("")
        response.error_code = type("Odd", (), {"__bool__": lambda self: 1 / 0})()
        return response

    def item_exit(self):
        return SystemExit(3)
