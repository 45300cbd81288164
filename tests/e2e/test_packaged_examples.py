"""The examples whose model a package carries, or their own script has trained, served as README says."""

import base64
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import requests

from athena.sdk import wav
from tests.e2e.conftest import ROOT, Stack, serving
from tests.models.examples import environment

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples"
NAMES = ["filetypes", "flowers", "speech", "vectors"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    paths = [EXAMPLES / name for name in NAMES]
    with serving(tmp_path_factory.mktemp("packaged"), *paths, **environment()) as running:
        yield running


def request(name: str) -> Any:
    return json.loads((EXAMPLES / name / "example.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_the_example_gets_the_golden_answer(served: Stack, name: str) -> None:
    answer = served.post(f"/{name}", request(name)).json()

    (found,) = answer["payload"].values()
    (golden,) = json.loads((EXAMPLES / name / "golden.json").read_text()).values()
    assert flat(found["text"]) == flat(golden["text"])
    assert "warnings" not in answer["header"]


def flat(value: Any) -> Any:
    """Returns an answer whose numbers are the same within what another machine computes."""
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    if isinstance(value, list):
        return [flat(item) for item in value]
    return pytest.approx(value, abs=1e-4) if isinstance(value, float) else value


def send(served: Stack, name: str, data: bytes, content_type: str) -> requests.Response:
    url = f"{served.url}/{name}?app_id=me"
    return requests.post(url, data=data, headers={"Content-Type": content_type}, timeout=60)


def test_flowers_of_many_callers_keep_their_answers(served: Stack) -> None:
    flowers = [
        ("setosa", [5.1, 3.5, 1.4, 0.2]),
        ("versicolor", [6.4, 2.9, 4.3, 1.3]),
        ("virginica", [6.3, 3.3, 6.0, 2.5]),
    ] * 16
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")

    def ask(measures: list[float]) -> Any:
        answer = served.post("/flowers", {"flower": dict(zip(names, measures, strict=True))})
        assert answer.status_code == 200, answer.text
        return answer.json()["iris"]

    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(ask, [measures for _, measures in flowers]))

    assert [item["kind"] for item in answers] == [kind for kind, _ in flowers]
    assert {round(sum(item["likely"].values()), 4) for item in answers} == {1.0}


@pytest.mark.parametrize(
    ("flower", "what"),
    [
        ({}, "flower has no number sepal_length"),
        ([1, 2, 3, 4], "flower is no object with sepal_length"),
        ({"sepal_length": 5, "sepal_width": True, "petal_length": 1, "petal_width": 1}, "sepal_width"),
        ({"sepal_length": 5, "sepal_width": -3, "petal_length": 1, "petal_width": 1}, "no length"),
    ],
)
def test_what_is_no_flower_is_said_to_be_none(served: Stack, flower: Any, what: str) -> None:
    answer = served.post("/flowers", {"flower": flower})

    assert answer.status_code == 400
    assert what in answer.text


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (b'{"a": [1, 2, 3], "b": null}\n' * 30, "jsonl"),
        (b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" * 10, "pdf"),
        ((EXAMPLES / "digits" / "seven.png").read_bytes(), "png"),
    ],
)
def test_files_are_known_whatever_they_are_called(served: Stack, data: bytes, label: str) -> None:
    answer = send(served, "filetypes", data, "application/octet-stream")

    assert answer.status_code == 200, answer.text
    assert json.loads(base64.b64decode(answer.json()["payload"]["type"]["text"]))["label"] == label


def report(answer: requests.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return json.loads(base64.b64decode(answer.json()["payload"]["report"]["text"]))


def recording() -> np.ndarray:
    """Returns the sound of the example."""
    import soundfile

    data = base64.b64decode(request("speech")["payload"]["sound"]["audio"])
    samples, rate = soundfile.read(io.BytesIO(data))
    assert rate == 16000
    return np.asarray(samples)


def test_speech_is_found_in_other_files_too(served: Stack) -> None:
    twice = np.concatenate([recording(), recording()])
    stereo = np.stack([twice, twice], axis=1)

    found = report(send(served, "speech", wav(stereo, 16000), "audio/wav"))

    assert found["duration_s"] == 3.5
    assert [round(item["start_s"], 1) for item in found["speech"]] == pytest.approx([0.5, 2.25], abs=0.1)


def test_noise_and_silence_are_no_speech(served: Stack) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 32000)

    for sound in (noise, np.zeros(32000)):
        assert report(send(served, "speech", wav(sound, 16000), "audio/wav"))["speech"] == []


def test_what_is_no_sound_is_the_callers_mistake(served: Stack) -> None:
    answer = send(served, "speech", b"no sound", "audio/wav")

    assert answer.status_code == 400
    assert "sound" in answer.json()["header"]["message"]


def test_sentences_of_one_meaning_are_near(served: Stack) -> None:
    texts = [
        "The parcel arrived late and the box was open.",
        "My package came too late, and its box was damaged.",
        "Turn the heating up, it is cold in the kitchen.",
        "Cold",
    ] * 8

    def ask(text: str) -> Any:
        answer = served.post("/vectors", {"text": text})
        assert answer.status_code == 200, answer.text
        return answer.json()["vector"]

    with ThreadPoolExecutor(16) as callers:
        found = np.array(list(callers.map(ask, texts)))

    near = found[:4] @ found[:4].T
    assert near[0, 1] > near[0, 2] + 0.2
    # Whoever shared a call with whom: the same text has the same vector.
    assert np.allclose(found.reshape(8, 4, -1), found[:4], atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_text_without_words_fails_alone(served: Stack) -> None:
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda text: served.post("/vectors", {"text": text}), [" ", "a word"] * 4))

    assert [answer.status_code for answer in answers] == [400, 200] * 4
