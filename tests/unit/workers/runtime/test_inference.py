"""What the inference threads run: a wrapper from its folder, inputs in, one outcome for each job out."""

import base64
import gzip
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from athena.ability.manifest import Ability, load_ability
from athena.errors import ConfigError, OutputError, RequestError
from athena.jobs.message import JobMessage, MessageInput, make_message
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.protocol.envelope import InputValue, read_inputs
from athena.protocol.interface import DataSpec, ParamSpec
from workers.batching.jobs import BatchJob
from workers.runtime.inference import Inference

ROOT = Path(__file__).parents[4]

#: A wrapper that answers with all it was given.
MIRROR = """
import json
from athena.sdk import ImageBodyField, Response, ResponseData, StringBodyField, StringParamField, WrapperBase

class UserRequest:
    n = StringParamField(key="n")
    text = StringBodyField(key="text")
    pic = ImageBodyField(key="pic")

class UserResponse:
    seen = StringBodyField(key="seen")

class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        self.config = config
        {init}

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        nodes = [[n.key, n.type, n.status, n.data.hex(), n.attributes] for n in reqData.list]
        response = Response()
        seen = [params, nodes, usrTag, persId, self.config]
        response.list = [ResponseData("seen", json.dumps(seen))]
        return response

    def wrapperFini(self):
        print("fini")
"""


def no_payload(job_id: str) -> bytes | None:
    return None


@pytest.fixture(autouse=True)
def undo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes what loading a wrapper changes in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "wrapper", raising=False)


@pytest.fixture
def payloads() -> dict[str, bytes]:
    """Inputs that lie beside messages: job id -> bytes."""
    return {}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Ability]:
    """Writes the folder of an ability."""

    def make(source: str = MIRROR, init: str = "return 0", toml: str = "", example: Any = None) -> Ability:
        folder = tmp_path / "mirror"
        folder.mkdir()
        (folder / "wrapper.py").write_text(source.replace("{init}", init))
        (folder / "ability.toml").write_text(toml)
        if example is not None:
            (folder / "example.json").write_text(json.dumps(example))
        return load_ability(folder)

    return make


@pytest.fixture
def mirror(make: Callable[..., Ability], payloads: dict[str, bytes]) -> Inference:
    """The wrapper MIRROR, loaded."""
    inference = Inference(make(toml="[config]\na = 1"), payloads.get)
    inference.load()
    return inference


@pytest.fixture
def faulty() -> Inference:
    """The ability that misbehaves on request, loaded."""
    inference = Inference(load_ability(ROOT / "tests" / "abilities" / "faulty"), no_payload)
    inference.load()
    return inference


def job(job_id: str = "j1", params: dict[str, str] | None = None, **payload: Any) -> BatchJob:
    """Returns a job whose inputs ride in its message."""
    inputs = read_inputs(payload, {"text": 0, "pic": 2})
    message, _ = make_message(job_id, "mirror", params or {}, inputs, {"seen": {"format": "json"}}, 10**6)
    return BatchJob(job_id, message)


def run(inference: Inference, *jobs: BatchJob) -> list[Outcome]:
    """Runs jobs as the batcher does: together if they may share a call."""
    for item in jobs:
        item.message = item.message._replace(interface=inference.interface.digest)
    if all(inference.batch_key(item.message) is not None for item in jobs):
        return inference.run(list(jobs))
    return [outcome for item in jobs for outcome in inference.run([item])]


def seen(outcome: Outcome) -> Any:
    """Returns what the wrapper MIRROR was given."""
    return json.loads(outcome.payload)["seen"]["text"]


def refusal(ability: Ability) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        Inference(ability, no_payload).load()
    return error.value


# running


def test_wrapper_is_given_params_inputs_config_and_the_id_of_the_job(mirror: Inference) -> None:
    text = {"text": "aGk=", "encoding": "utf8", "width": 5}

    (outcome,) = run(mirror, job("j1", {"n": "3"}, text=text, pic={"image": "AAE=", "status": 3}))

    assert outcome.state is JobState.SUCCEEDED
    assert seen(outcome) == [
        {"n": "3", "sid": "j1"},
        [["text", 0, 3, "6869", {"encoding": "utf8", "width": "5"}], ["pic", 2, 3, "0001", {}]],
        "j1",
        0,
        {"a": "1"},
    ]


def test_params_of_a_job_are_not_changed_by_its_run(mirror: Inference) -> None:
    first = job("j1", {"n": "3"})

    run(mirror, first)

    assert first.message.params == {"n": "3"}


def test_inputs_that_lie_beside_the_message_are_fetched(
    mirror: Inference, payloads: dict[str, bytes]
) -> None:
    inputs = [InputValue("text", 0, 3, "", b"hi", {}), InputValue("pic", 2, 3, "", b"\0\1", {})]
    message, beside = make_message("j1", "mirror", {}, inputs, {"seen": {"format": "json"}}, 0)
    assert beside is not None
    payloads["j1"] = beside

    (outcome,) = run(mirror, BatchJob("j1", message))

    assert [node[3] for node in seen(outcome)[1]] == ["6869", "0001"]


def test_packed_inputs_of_a_job_have_one_limit_together(make: Callable[..., Ability]) -> None:
    """Each may be a bomb of its own: 2 MB of them took 1.7 GB."""
    inference = Inference(make(toml="[limits]\nmax_input_bytes = 1000"), no_payload)
    inference.load()
    packed = base64.b64encode(gzip.compress(bytes(600))).decode()
    text = {"text": packed, "compress": "gzip"}

    (alone,) = run(inference, job("j1", text=text))
    (both,) = run(inference, job("j2", text=text, pic={"image": packed, "compress": "gzip"}))

    assert alone.state is JobState.SUCCEEDED
    assert (both.state, both.code) == (JobState.FAILED, RequestError.code)
    assert "/payload/pic/image with the inputs before it, has more than 1000 bytes" in both.message


def test_answer_that_is_too_large_fails_its_job_alone(make: Callable[..., Ability]) -> None:
    inference = Inference(make(toml="[limits]\nmax_output_bytes = 1000"), no_payload)
    inference.load()

    large, small = run(inference, job("j1", {"n": "x" * 1000}), job("j2"))

    assert (large.state, large.code) == (JobState.FAILED, OutputError.code)
    assert "bytes, more than limits.max_output_bytes allows (1000)" in large.message
    assert large.payload == b""
    assert small.state is JobState.SUCCEEDED


def test_outcome_tells_time_and_size_of_the_batch(mirror: Inference) -> None:
    first, second = run(mirror, job("j1"), job("j2"))

    assert (first.batch_size, second.batch_size) == (1, 1)
    assert (first.code, first.message) == (0, "")
    assert 0 < first.exec_ms < 10_000
    assert seen(second)[2] == "j2"


@pytest.mark.parametrize(
    ("mode", "code", "message"),
    [
        ("raise", 10909, "RuntimeError: the model is not in the mood"),
        ("input", 10163, "an input cannot be used: /payload/text holds no face"),
        ("exit", 10909, "SystemExit: 3"),
        ("none", 30003, "wrapperOnceExec returned nothing"),
        ("code", 10909, "the wrapper's own words;code=42"),
        ("undeclared", 10106, "output 'surprise' is not declared in responseCls; declared: text"),
    ],
)
def test_job_that_fails_fails_alone(faulty: Inference, mode: str, code: int, message: str) -> None:
    before, failed, after = run(faulty, job("j1"), job("j2", {"mode": mode}), job("j3"))

    assert before.state is after.state is JobState.SUCCEEDED
    assert (failed.state, failed.code, failed.message) == (JobState.FAILED, code, message)
    assert (failed.payload, failed.batch_size) == (b"", 1)
    # What raised has a line; what only returned something wrong has none.
    line = re.fullmatch(r"wrapper\.py:\d+ in \w+", failed.place)
    assert bool(line) == (mode in ("raise", "exit")), failed.place


def test_job_whose_inputs_are_gone_fails_without_reaching_the_wrapper(
    mirror: Inference, caplog: pytest.LogCaptureFixture
) -> None:
    message = JobMessage("j1", "mirror", {}, (MessageInput("text", 0, 3, 2, None, {}),), {}, claim=True)

    lost, other = run(mirror, BatchJob("j1", message), job("j2"))

    assert (lost.state, lost.code) == (JobState.FAILED, 11502)
    assert lost.message == "unexpected error; the worker's log holds the details"
    assert "payload of job j1 is gone" in caplog.text
    assert other.state is JobState.SUCCEEDED


def test_error_while_inputs_are_fetched_fails_the_job(make: Callable[..., Ability]) -> None:
    def unreachable(job_id: str) -> bytes | None:
        raise ConnectionError("no Redis")

    inference = Inference(make(), unreachable)
    inference.load()
    message = JobMessage("j1", "mirror", {}, (), {}, claim=True)

    (outcome,) = run(inference, BatchJob("j1", message))

    assert (outcome.state, outcome.code) == (JobState.FAILED, 11502)


# loading


def test_loaded_ability_tells_its_interface(mirror: Inference) -> None:
    interface = mirror.interface

    assert interface.service_id == "mirror"
    assert interface.params == (ParamSpec("n", min_length=0, max_length=1024),)
    assert interface.inputs == (DataSpec("text", 0), DataSpec("pic", 2))
    assert interface.outputs == (DataSpec("seen", 0),)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "import a_module_that_nobody_has",
            "ModuleNotFoundError: No module named 'a_module_that_nobody_has' (wrapper.py:1 in <module>)",
        ),
        ("def broken(:", "SyntaxError: invalid syntax (wrapper.py, line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3 (wrapper.py:1 in <module>)"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines (wrapper.py:1 in <module>)"),
        (
            "class Wrapper:\n    def __init__(self): raise RuntimeError('no')",
            "RuntimeError: no (wrapper.py:2 in __init__)",
        ),
    ],
)
def test_wrapper_that_cannot_be_loaded_is_refused_in_one_line(
    make: Callable[..., Ability], source: str, text: str
) -> None:
    ability = make(source)

    error = refusal(ability)

    assert error.message == f"{ability.wrapper_path} cannot be loaded: {text}"
    assert error.__cause__ is not None


def test_module_without_a_wrapper_is_refused_as_such(make: Callable[..., Ability]) -> None:
    assert "defines no class Wrapper" in refusal(make("")).message


@pytest.mark.parametrize(
    ("init", "code", "message"),
    [
        (
            "raise OSError('m.onnx')",
            30001,
            "wrapperInit raised OSError: m.onnx (wrapper.py:19 in wrapperInit)",
        ),
        ("return 5", 30002, "wrapperInit returned 5"),
    ],
)
def test_init_that_fails_is_refused(make: Callable[..., Ability], init: str, code: int, message: str) -> None:
    error = refusal(make(init=init))

    assert (error.code, error.message) == (code, message)


def example(**payload: Any) -> dict[str, Any]:
    return {"header": {"app_id": "demo", "status": 3}, "parameter": {"mirror": {}}, "payload": payload}


def test_example_is_run_before_the_ability_counts_as_loaded(make: Callable[..., Ability]) -> None:
    fails = MIRROR.replace("response = Response()", "raise RuntimeError(reqData.get('text').data)")
    ability = make(fails, example=example(text={"text": "aGk="}))

    reason = "RuntimeError: b'hi' (wrapper.py:23 in wrapperOnceExec)"
    assert refusal(ability).message == f"the example of mirror was not answered: {reason}"


@pytest.mark.parametrize(
    ("envelope", "text"),
    [
        ({"payload": {}}, "/header "),
        (example(text={"text": "!"}), "/payload/text/text is not base64"),
        (example(nobody={"text": ""}), "/payload/nobody is not known here"),
        ([], "/ "),
    ],
)
def test_example_that_does_not_fit_the_schema_is_refused_by_its_place(
    make: Callable[..., Ability], envelope: Any, text: str
) -> None:
    ability = make(example=envelope)

    message = refusal(ability).message

    assert message.startswith(f"{ability.example_path}: ")
    assert text in message


def test_wrapper_is_released(mirror: Inference, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.unload()

    assert capsys.readouterr().out == "fini\n"


def test_ability_that_was_never_loaded_has_nothing_to_release(make: Callable[..., Ability]) -> None:
    inference = Inference(make("raise ValueError"), no_payload)
    with pytest.raises(ConfigError):
        inference.load()

    inference.unload()


# requests that came by send_task


def test_envelope_becomes_the_message_that_a_gateway_would_send(mirror: Inference) -> None:
    envelope = example(text={"text": "aGk=", "encoding": "utf8"})
    envelope["parameter"]["mirror"] = {"n": "3", "gpu_id": "1", "seen": {"format": "json"}}

    message = mirror.message_of("j1", envelope)

    assert message == JobMessage(
        "j1",
        "mirror",
        {"n": "3", "gpu_id": "1"},
        (MessageInput("text", 0, 3, 2, "aGk=", {"encoding": "utf8"}),),
        {"seen": {"format": "json"}},
        interface=mirror.interface.digest,
    )


def test_inputs_of_an_envelope_ride_in_the_message_whatever_their_size(mirror: Inference) -> None:
    message = mirror.message_of("j1", example(text={"text": "aGhp" * 100_000}))

    assert not message.claim
    assert message.inputs[0].size == 300_000


@pytest.mark.parametrize("envelope", [None, 3, "x", [], {}, {"header": {}}])
def test_envelope_that_does_not_fit_is_refused(mirror: Inference, envelope: object) -> None:
    with pytest.raises(RequestError):
        mirror.message_of("j1", envelope)


def test_job_of_an_earlier_interface_that_does_not_fit_never_reaches_the_wrapper(mirror: Inference) -> None:
    fits, old = job("j1", {"n": "1"}, text={"text": "aGk="}), job("j2", {"lang": "en"}, text={"text": "aGk="})

    done, refused = mirror.run([fits])[0], mirror.run([old])[0]

    assert done.state is JobState.SUCCEEDED
    assert (refused.state, refused.code) == (JobState.FAILED, 10107)
    assert "has changed since the job was queued" in refused.message
    assert "/parameter/mirror/lang is not known here" in refused.message
