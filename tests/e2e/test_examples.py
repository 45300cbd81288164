"""The abilities in examples/, served as README says."""

import base64
import io
import json
import runpy
import shutil
import threading
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.conftest import ROOT, Stack
from tests.ports import free_port

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples"
WITH_GOLDEN = ["digits", "summary", "voice", "wordcount"]


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    """The API that `forward` passes texts on to."""
    server = runpy.run_path(str(EXAMPLES / "forward" / "stub.py"))["Stub"](0, 0.3)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, api: Any) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES / "forward", folder / "forward")
    options = folder / "forward" / "ability.toml"
    options.write_text(options.read_text().replace("127.0.0.1:9100", f"127.0.0.1:{api.server_address[1]}"))
    paths = [*(EXAMPLES / name for name in WITH_GOLDEN), folder / "forward"]
    arguments = [part for path in paths for part in ("--ability", str(path))]
    running = Stack(folder, free_port(), free_port(), *arguments)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def request(name: str) -> Any:
    return json.loads((EXAMPLES / name / "example.json").read_text())


@pytest.mark.parametrize("name", WITH_GOLDEN)
def test_the_example_gets_the_golden_answer(served: Stack, name: str) -> None:
    answer = served.post(f"/{name}", request(name)).json()

    assert answer["payload"] == json.loads((EXAMPLES / name / "golden.json").read_text())
    assert "warnings" not in answer["header"]


def send(served: Stack, path: str, data: bytes, content_type: str = "text/plain") -> requests.Response:
    url = f"{served.url}/{path}{'&' if '?' in path else '?'}app_id=me"
    return requests.post(url, data=data, headers={"Content-Type": content_type}, timeout=60)


def output(answer: requests.Response, key: str) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["payload"][key]["text"]


def test_bad_pictures_in_a_batch_fail_alone(served: Stack) -> None:
    good = (EXAMPLES / "digits" / "seven.png").read_bytes()

    with ThreadPoolExecutor(32) as pool:
        bodies = [good if number % 2 else b"no picture" for number in range(64)]
        answers = list(
            pool.map(lambda body: send(served, "digits?digit.format=json", body, "image/png"), bodies)
        )

    assert {output(answer, "digit")["digit"] for answer in answers[1::2]} == {7}
    assert {answer.json()["header"]["message"] for answer in answers[::2]} == {
        "payload.image holds no picture;code=1"
    }


def test_summaries_of_odd_texts(served: Stack) -> None:
    def summary(text: str, sentences: int = 1) -> str:
        answer = send(served, f"summary?sentences={sentences}", text.encode(), "text/plain; charset=utf-8")
        return base64.b64decode(output(answer, "summary")).decode()

    assert summary("") == ""
    assert summary("Only one") == "Only one"
    assert summary("猫很可爱。猫吃鱼。天气好。", 2) == "猫很可爱。 猫吃鱼。"
    assert len(summary("A queue keeps work. " * 50_000, 10)) < 1000
    assert send(served, "summary?sentences=11", b"a").status_code == 400


def recording(width: int, channels: int, data: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setsampwidth(width)
        file.setnchannels(channels)
        file.setframerate(16000)
        file.writeframes(data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("width", "loud"),
    [(1, b"\xff"), (2, b"\xff\x7f"), (3, b"\xff\xff\x7f"), (4, b"\xff\xff\xff\x7f")],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_recordings_of_each_width(served: Stack, width: int, loud: bytes, channels: int) -> None:
    silent = b"\x80" if width == 1 else bytes(width)
    sound = recording(width, channels, loud * 8000 * channels + silent * 8000 * channels)

    report = output(send(served, "voice?report.format=json", sound, "audio/wav"), "report")

    assert report["duration_s"] == 1.0
    assert report["peak_dbfs"] == pytest.approx(0, abs=0.1)
    assert report["segments"] == [{"start_s": 0.0, "end_s": 0.5}]


@pytest.mark.parametrize("sound", [b"", b"RIFF", recording(2, 1, b"")[:30], recording(2, 1, b""), b"text"])
def test_what_is_no_recording_is_said_to_be_none(served: Stack, sound: bytes) -> None:
    answer = send(served, "voice", sound, "audio/wav")

    assert answer.status_code == 400
    assert "sound" in answer.json()["header"]["message"]


def test_texts_are_passed_on_many_at_once(served: Stack, api: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: send(served, "forward", f"n{number}".encode()), range(16)))

    translations = {base64.b64decode(output(answer, "translation")).decode() for answer in answers}
    assert translations == {f"N{number}" for number in range(16)}
    assert api.most_at_once >= 8


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"refuse", "refused the request"), (b"garble", "no JSON object"), (b"\xff", "not UTF-8")],
)
def test_the_other_sides_mistakes_have_codes(served: Stack, text: bytes, message: str) -> None:
    answer = send(served, "forward", text)

    assert (answer.status_code, answer.json()["header"]["code"]) == (502, 10909)
    assert message in answer.json()["header"]["message"]


def test_a_side_that_is_not_there_has_a_code(tmp_path: Path) -> None:
    wrapper = runpy.run_path(str(EXAMPLES / "forward" / "wrapper.py"))["Wrapper"]()
    wrapper.wrapperInit({"url": "http://127.0.0.1:1/", "timeout_s": "1"})

    response = wrapper.wrapperOnceExec({}, _Nothing())

    assert wrapper.wrapperError(response.error_code).startswith("the API cannot be reached")


class _Nothing:
    def get(self, key: str) -> None:
        return None
