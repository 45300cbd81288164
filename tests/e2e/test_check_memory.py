"""`athena check` tells the memory that a worker then has."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import ATHENA, serving

pytestmark = pytest.mark.redis

BATCH = 8

WRAPPER = """
from athena.sdk import WrapperBase, StringBodyField, answer

MIB = 1024 * 1024


class UserRequest:
    text = StringBodyField(key="text", value=b"a")


class UserResponse:
    text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    serviceId = "hungry"
    version = "1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        read = bytearray(b"r") * (200 * MIB)
        self._model = bytearray(b"m") * (80 * MIB)
        self._scratch = {}
        del read
        return 0

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        return self.wrapperBatchExec([params], [reqData])[0]

    def wrapperBatchExec(self, params_list, req_list):
        size = len(req_list)
        if size not in self._scratch:
            self._scratch = {size: bytearray(b"s") * (10 * MIB * size)}
        return [answer(text=inputs.get("text").data.decode().upper()) for inputs in req_list]
"""


def test_memory_is_that_of_a_worker_with_a_full_batch(tmp_path: Path) -> None:
    ability = tmp_path / "hungry"
    ability.mkdir()
    (ability / "wrapper.py").write_text(WRAPPER)
    (ability / "ability.toml").write_text(
        f'service_id = "hungry"\n[worker]\nmax_batch = {BATCH}\nslots = {2 * BATCH}\nmax_wait_ms = 5000\n'
    )

    checked = subprocess.run([*ATHENA, "check", "--json", str(ability)], capture_output=True)
    told = json.loads(checked.stdout)["memory"]
    with serving(tmp_path, ability) as stack, ThreadPoolExecutor(BATCH) as callers:
        list(callers.map(lambda text: stack.post("/hungry", {"text": text}), "abcdefgh"))
        (worker,) = stack.children("-m", "workers")
        held = worker.memory_info().rss

    assert told["batch"] == BATCH
    assert told["load_peak"] > 280_000_000 > told["memory"] > 160_000_000
    assert abs(told["memory"] - held) < 0.15 * held
