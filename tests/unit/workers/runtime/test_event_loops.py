"""Wrappers that are written with asyncio."""

import asyncio
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from athena.ability.manifest import load_ability
from athena.jobs.message import make_message
from athena.protocol.enums import JobState
from athena.sdk import Response
from workers.batching.jobs import BatchJob
from workers.runtime.event_loops import called_plainly, event_loop, thread_loop
from workers.runtime.inference import Inference

ASYNCHRONOUS = """
import asyncio
from athena.sdk import Response, ResponseData, WrapperBase

class Wrapper(WrapperBase):
    async def wrapperInit(self, config):
        self.lock = asyncio.Lock()
        self.loop = asyncio.get_running_loop()
        return 0

    async def wrapperError(self, code):
        return "in my own words"

    async def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        async with self.lock:
            await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self.loop
        response = Response()
        response.list = [ResponseData("text", params["word"])]
        return response if params["word"] else response.response_err(7)

    async def wrapperBatchExec(self, params_list, req_list):
        return await asyncio.gather(*map(self.wrapperOnceExec, params_list, req_list))

    async def wrapperFini(self):
        assert asyncio.get_running_loop() is self.loop
        print("released")
"""


def in_a_thread(function: Callable[[], Any]) -> Any:
    """Runs a function in a thread with a loop, and returns what it does."""
    results: list[Any] = []

    def run() -> None:
        with event_loop():
            results.append(function())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def test_an_asynchronous_wrapper_is_called_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "wrapper", raising=False)
    (tmp_path / "wrapper.py").write_text(ASYNCHRONOUS)
    (tmp_path / "ability.toml").write_text('service_id = "a"\n')

    def life() -> Any:
        inference = Inference(load_ability(tmp_path), lambda job_id: None)
        inference.load()
        jobs = []
        for word in ("one", "", "two"):
            message, _ = make_message(f"j{word}", "a", {"word": word}, [], {}, 1000)
            jobs.append(BatchJob(message.job_id, message))
        outcomes = [*inference.run(jobs[:1]), *inference.run(jobs)]
        inference.unload()
        return outcomes

    outcomes = in_a_thread(life)

    done, failed = JobState.SUCCEEDED, JobState.FAILED
    assert [outcome.state for outcome in outcomes] == [done, done, failed, done]
    assert outcomes[2].message == "in my own words;code=7"
    assert capsys.readouterr().out == "released\n"


def test_a_thread_has_a_loop_again_after_one_that_was_closed() -> None:
    def use() -> Any:
        first = asyncio.get_event_loop()
        first.close()
        second = thread_loop()
        assert asyncio.get_event_loop() is second
        asyncio.run(asyncio.sleep(0))
        assert thread_loop() is second is asyncio.get_event_loop()
        return first is not second and second.run_until_complete(asyncio.sleep(0, "slept"))

    assert in_a_thread(use) == "slept"


def test_an_ordinary_function_stays_as_it_is() -> None:
    assert called_plainly(Response) is Response
