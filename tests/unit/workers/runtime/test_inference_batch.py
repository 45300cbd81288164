"""Wrappers that run batches, and wrappers that load personalised resources."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from athena.ability.manifest import load_ability
from athena.errors import ConfigError
from athena.jobs.message import make_message
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.protocol.envelope import read_inputs
from workers.batching.jobs import BatchJob
from workers.runtime.inference import Inference

HEAD = """
from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase

class UserRequest:
    text = StringBodyField(key="text")

class UserResponse:
    text = StringBodyField(key="text")

def answer(text):
    response = Response()
    response.list = [ResponseData("text", text)]
    return response
"""

BATCHING = (
    HEAD
    + """
class Wrapper(WrapperBase):
    requestCls, responseCls = UserRequest(), UserResponse()
    calls = []

    def wrapperInit(self, config):
        return 0

    def wrapperError(self, ret):
        return f"error {ret}"

    def wrapperOnceExec(self, params, reqData):
        self.calls.append("once")
        return answer(reqData.get("text").data.upper())

    def wrapperBatchExec(self, params_list, req_list):
        texts = [req.get("text").data for req in req_list]
        self.calls.append(len(texts))
        if b"poison" in texts:
            raise ValueError("poison")
        if b"short" in texts:
            return []
        return [self.one(text) for text in texts]

    def one(self, text):
        if text == b"error":
            return Response().response_err(7)
        if text == b"exception":
            return KeyError("mine")
        if text == b"none":
            return None
        return answer(text.upper())
"""
)

PERSONAL = (
    HEAD
    + """
class Wrapper(WrapperBase):
    requestCls, responseCls = UserRequest(), UserResponse()
    calls = []

    def wrapperInit(self, config):
        self.words = {}
        return 0

    def wrapperLoadRes(self, reqData, resId):
        self.calls.append(f"load {resId!r}")
        self.words[resId] = reqData.list[0].data if reqData.list else b"nothing"
        return 0

    def wrapperUnloadRes(self, resId):
        self.calls.append(f"unload {resId!r}")
        return 0

    def wrapperFini(self):
        self.calls.append("fini")

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        return answer(self.words.get(persId, b"plain"))
"""
)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Inference]:
    """Loads a wrapper from source; what that changes in this process is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "wrapper", raising=False)

    def load(source: str, on_unbatched: Callable[[str], None] = lambda reason: None) -> Inference:
        (tmp_path / "wrapper.py").write_text(source)
        (tmp_path / "ability.toml").write_text('service_id = "a"\n')
        inference = Inference(load_ability(tmp_path), lambda job_id: None, on_unbatched)
        inference.load()
        return inference

    return load


def calls() -> list[Any]:
    found: list[Any] = sys.modules["wrapper"].Wrapper.calls
    return found


def run(inference: Inference, *texts: str, resource_id: str = "") -> list[Outcome]:
    batch = []
    for number, text in enumerate(texts):
        inputs = read_inputs({"text": {"text": text}}, {"text": 0})
        expected = {"text": {"format": "json"}}
        message, _ = make_message(f"j{number}", "a", {}, inputs, expected, 1000, resource_id=resource_id)
        batch.append(BatchJob(message.job_id, message))
    return inference.run(batch)


B64 = {"a": "YQ==", "b": "Yg==", "poison": "cG9pc29u", "short": "c2hvcnQ=", "error": "ZXJyb3I="}
B64 |= {"exception": "ZXhjZXB0aW9u", "none": "bm9uZQ=="}


def text_of(outcome: Outcome) -> Any:
    return json.loads(outcome.payload)["text"]["text"]


def test_jobs_are_run_in_one_call(load: Callable[[str], Inference]) -> None:
    outcomes = run(load(BATCHING), B64["a"], B64["b"])

    assert [text_of(outcome) for outcome in outcomes] == ["QQ==", "Qg=="]
    assert [outcome.batch_size for outcome in outcomes] == [2, 2]
    assert calls() == [2]


def test_single_job_is_run_by_the_ordinary_method(load: Callable[[str], Inference]) -> None:
    run(load(BATCHING), B64["a"])

    assert calls() == ["once"]


@pytest.mark.parametrize(
    ("bad", "code", "message"),
    [
        ("error", 10909, "error 7;code=7"),
        ("exception", 10909, "KeyError: 'mine'"),
        ("none", 30003, "wrapperBatchExec returned nothing"),
    ],
)
def test_item_of_a_batch_fails_alone(
    load: Callable[[str], Inference], bad: str, code: int, message: str
) -> None:
    first, second, third = run(load(BATCHING), B64["a"], B64[bad], B64["b"])

    assert (first.state, third.state) == (JobState.SUCCEEDED, JobState.SUCCEEDED)
    assert (second.state, second.code, second.message) == (JobState.FAILED, code, message)
    assert calls() == [3]


def test_batch_that_fails_as_a_whole_is_run_again_one_by_one(load: Callable[[str], Inference]) -> None:
    first, second, third = run(load(BATCHING), B64["a"], B64["poison"], B64["b"])

    assert [text_of(outcome) for outcome in (first, third)] == ["QQ==", "Qg=="]
    assert (second.code, second.message) == (10909, "ValueError: poison")
    assert calls() == [3, 1, 1, 1]


def test_batch_with_too_few_answers_says_so(load: Callable[[str], Inference]) -> None:
    outcomes = run(load(BATCHING), B64["short"], B64["short"])

    message = "wrapperBatchExec returned 0 items for 1 jobs; it must return a list with one Response for each"
    assert [(outcome.code, outcome.message) for outcome in outcomes] == [(10106, message)] * 2


def unbatched(inference: Inference) -> bool:
    """Whether a job would get a call of its own."""
    message, _ = make_message("j", "a", {}, [], {}, 1000)
    return inference.batch_key(message) is None


def test_batch_with_another_number_of_answers_is_the_last(
    load: Callable[..., Inference], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    inference = load(BATCHING, told.append)

    for _ in range(3):
        run(inference, B64["a"], B64["short"])

    reason = "wrapperBatchExec returned 0 items for 2 jobs; it must return a list with one Response for each"
    assert unbatched(inference)
    assert told == [reason]
    assert caplog.text.count("this process runs no more batches") == 1


def test_batches_that_raise_though_each_job_is_answered_alone_are_given_up(
    load: Callable[..., Inference],
) -> None:
    told: list[str] = []
    inference = load(
        BATCHING.replace('if b"poison" in texts', 'if len(texts) > 1 and b"b" in texts'), told.append
    )

    run(inference, B64["a"], B64["b"])
    run(inference, B64["a"], B64["b"])
    run(inference, B64["a"], B64["a"])
    run(inference, B64["a"], B64["b"])
    run(inference, B64["a"], B64["b"])
    assert not unbatched(inference)
    outcomes = run(inference, B64["a"], B64["b"])

    assert [text_of(outcome) for outcome in outcomes] == ["QQ==", "Qg=="]
    assert unbatched(inference)
    assert len(told) == 1
    assert "3 batches in a row failed" in told[0]
    assert "ValueError: poison" in told[0]


def test_batches_with_one_bad_input_go_on(load: Callable[..., Inference]) -> None:
    told: list[str] = []
    inference = load(BATCHING, told.append)

    for _ in range(5):
        run(inference, B64["a"], B64["poison"])

    assert (unbatched(inference), told) == (False, [])


def test_personalised_resource_is_loaded_once_and_unloaded_before_fini(
    load: Callable[[str], Inference], tmp_path: Path
) -> None:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "anna").write_bytes(b"hers")
    inference = load(PERSONAL)

    texts = [
        text_of(run(inference, B64["a"], resource_id=resource_id)[0])
        for resource_id in ("anna", "anna", "7", "")
    ]
    inference.unload()

    assert texts == ["aGVycw==", "aGVycw==", "bm90aGluZw==", "cGxhaW4="]
    assert calls() == ["load 'anna'", "load 7", "unload 'anna'", "unload 7", "fini"]


def test_resource_of_a_wrapper_that_knows_none_is_ignored(load: Callable[[str], Inference]) -> None:
    (outcome,) = run(load(BATCHING), B64["a"], resource_id="anna")

    assert text_of(outcome) == "QQ=="


def test_a_declaration_that_cannot_be_written_is_named(load: Callable[[str], Inference]) -> None:
    declares = BATCHING.replace('StringBodyField(key="text")', 'StringBodyField(key="half \\ud83d")', 1)

    with pytest.raises(ConfigError, match=r"wrapper\.py cannot be loaded: .*surrogates"):
        load(declares)


def test_a_start_that_fails_is_told_in_one_line_whatever_it_says(load: Callable[[str], Inference]) -> None:
    raises = BATCHING.replace("return 0", 'raise RuntimeError("half \\ud83d" + "x" * 10**7)', 1)

    with pytest.raises(ConfigError) as caught:
        load(raises)

    assert caught.value.message.startswith("wrapperInit raised RuntimeError: half \\ud83dxxx")
    assert len(caught.value.message) < 3000


def test_an_odd_code_of_wrapper_init_is_told(load: Callable[[str], Inference]) -> None:
    returns = BATCHING.replace("return 0", "return type('Odd', (), {'__bool__': lambda self: 1 / 0})()", 1)

    with pytest.raises(ConfigError, match="wrapperInit raised ZeroDivisionError"):
        load(returns)
