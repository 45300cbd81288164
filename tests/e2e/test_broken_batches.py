"""A worker whose batches break: every caller gets the right answer, and operators hear of it once."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.conftest import Stack, serving, wait_until

pytestmark = pytest.mark.e2e

#: Its first call goes on until more jobs wait, so that they come as a batch.
SHORT = """
import time
from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase

class Asked:
    text = StringBodyField(key="text")

class Answered:
    result = StringBodyField(key="result")

class Wrapper(WrapperBase):
    requestCls, responseCls = Asked(), Answered()

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        time.sleep(0.05)
        response = Response()
        response.list = [ResponseData("result", reqData.get("text").data.upper())]
        return response

    def wrapperBatchExec(self, params_list, req_list):
        return [self.wrapperOnceExec({}, inputs) for inputs in req_list][: max(1, len(req_list) - 1)]
"""

CALLERS, CALLS = 8, 64


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("short")
    (folder / "wrapper.py").write_text(SHORT)
    (folder / "ability.toml").write_text('service_id = "short"\n[worker]\nslots = 16\nmax_batch = 8\n')
    with serving(folder, folder) as stack:
        yield stack


def call(stack: Stack, number: int) -> str:
    text = base64.b64encode(f"word {number}".encode()).decode()
    body = {"header": {"app_id": "test", "status": 3}, "payload": {"text": {"text": text}}}
    answer = stack.post("/short", body).json()
    return base64.b64decode(answer["payload"]["result"]["text"]).decode()


def told(stack: Stack) -> Any:
    """Returns what `/v1/abilities` says of the worker's batches; None for nothing."""
    (worker,) = stack.get("/v1/abilities/short").json()["workers"]
    return worker["unbatched"]


def test_a_worker_gives_up_batches_that_lose_answers_and_says_so_once(short: Stack) -> None:
    assert told(short) is None

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(lambda number: call(short, number), range(CALLS)))

    assert answers == [f"WORD {number}" for number in range(CALLS)]
    reason = wait_until(lambda: told(short), 30, "/v1/abilities tells that it batches no more")
    assert reason.startswith("wrapperBatchExec returned ")
    assert reason in [worker["unbatched"] for worker in short.get("/v1/workers").json()["workers"]]
    lines = [line for line in short.get("/metrics").text.splitlines() if "worker_unbatched{" in line]
    assert [line.rpartition(" ")[2] for line in lines] == ["1"]
    assert short.log.count("this process runs no more batches") == 1
    # One batch failed, and none was run after it.
    assert short.log.count("running each alone") == 1
