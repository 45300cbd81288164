"""Whether a loaded wrapper is sound: its example, and what its calls have said."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from athena.ability.manifest import load_ability
from athena.errors import ConfigError
from athena.jobs.message import JobMessage
from athena.protocol.enums import JobState
from workers.batching.jobs import BatchJob
from workers.runtime.inference import Inference

#: Does what the class attribute says; `Broken` is what a wrapper knows of itself.
MOODY = """
from athena.sdk import Broken, Response, ResponseData, StringBodyField, WrapperBase

class UserRequest:
    text = StringBodyField(key="text")

class UserResponse:
    said = StringBodyField(key="said")

class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()
    mood = "good"

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        if self.mood == "broken":
            raise Broken("the licence is lost")
        if self.mood == "raises":
            raise ValueError("no face")
        response = Response()
        if self.mood == "code":
            return response.response_err(700)
        response.list = [ResponseData("said", self.mood)]
        return response

    def wrapperBatchExec(self, params_list, req_list):
        return [self.wrapperOnceExec(params, inputs) for params, inputs in zip(params_list, req_list)]

    def wrapperError(self, code):
        return "cudaErrorIllegalAddress"
"""

EXAMPLE = {"header": {"app_id": "a", "status": 3}, "payload": {"text": {"text": "YQ=="}}}
GOLDEN = {"said": {"text": "Z29vZA=="}}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Inference]:
    """Loads the wrapper MOODY."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "wrapper", raising=False)

    def load(**files: Any) -> Inference:
        folder = tmp_path / "moody"
        folder.mkdir()
        (folder / "wrapper.py").write_text(MOODY)
        for name, document in files.items():
            (folder / f"{name}.json").write_text(json.dumps(document))
        inference = Inference(load_ability(folder), lambda job_id: None)
        inference.load()
        return inference

    return load


def run(inference: Inference, mood: str, jobs: int = 1) -> list[JobState]:
    """Runs jobs in one call, in a mood that stays."""
    inference.wrapper.mood = mood
    batch = [BatchJob(f"j{index}", JobMessage(f"j{index}", "moody", {}, (), {})) for index in range(jobs)]
    return [outcome.state for outcome in inference.run(batch)]


def test_sound_process_answers_its_example(load: Callable[..., Inference]) -> None:
    inference = load(example=EXAMPLE, golden=GOLDEN)

    assert inference.has_example
    assert inference.check("what a call has said") == ""


def test_process_that_does_not_answer_its_example_is_broken(load: Callable[..., Inference]) -> None:
    inference = load(example=EXAMPLE)
    run(inference, "raises")

    assert inference.take_symptom() == ""
    reason = "ValueError: no face (wrapper.py:22 in wrapperOnceExec)"
    assert inference.check() == f"the example of moody was not answered: {reason}"


def test_process_that_answers_garbage_is_broken(load: Callable[..., Inference]) -> None:
    inference = load(example=EXAMPLE, golden=GOLDEN)
    states = run(inference, "garbage")

    assert states == [JobState.SUCCEEDED]
    assert "golden.json at /said/text" in inference.check()


def test_garbage_from_the_start_keeps_a_worker_from_serving(load: Callable[..., Inference]) -> None:
    with pytest.raises(ConfigError, match=r"is not that of .*golden\.json at /said/text; mend the one or"):
        load(example=EXAMPLE, golden={"said": {"text": "YmFk"}})


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize(
    ("mood", "symptom"),
    [("broken", "Broken: the licence is lost"), ("code", "cudaErrorIllegalAddress;code=700")],
)
def test_what_is_known_to_stay_is_told_once(
    load: Callable[..., Inference], mood: str, symptom: str, jobs: int
) -> None:
    inference = load()

    assert run(inference, mood, jobs) == [JobState.FAILED] * jobs
    assert inference.take_symptom() == symptom
    assert inference.take_symptom() == ""
    # There is no example to ask.
    assert inference.check(symptom) == symptom
    assert inference.check() == ""
