"""Pictures, good and bad, through the whole stack."""

import base64
import io
import re
from typing import Any

import orjson
import psutil
import pytest
from PIL import Image

from tests.e2e.conftest import ROOT, Stack, example

pytestmark = pytest.mark.e2e

PICTURE = (ROOT / "abilities" / "mmocr" / "picture.jpg").read_bytes()

#: Far above what a job of this ability may need, far below the raw size of the largest picture sent here.
MEMORY_LIMIT_BYTES = 1_200_000_000


def request(picture: bytes) -> Any:
    """Returns the README's request with another picture."""
    document = example("mmocr")
    document["payload"]["data"]["image"] = base64.b64encode(picture).decode()
    return document


def encoded(width: int, height: int, format: str = "JPEG") -> bytes:
    """Returns a white picture."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), 255).save(buffer, format)
    return buffer.getvalue()


def test_the_example_gives_the_golden_words(stack: Stack) -> None:
    answer = stack.post("/mmocr", example("mmocr")).json()

    boxes = answer["payload"]["boxes"]
    golden = orjson.loads((ROOT / "abilities" / "mmocr" / "golden.json").read_bytes())
    assert [box["text"] for box in boxes["text"][0]["result"]] == golden["words"]
    attributes = {name: boxes[name] for name in ("encoding", "compress", "format", "seq", "status")}
    assert attributes == {
        "encoding": "utf8",
        "compress": "raw",
        "format": "json",
        "seq": 0,
        "status": 3,
    }


def test_without_format_json_the_text_is_base64(stack: Stack) -> None:
    document = example("mmocr")
    del document["parameter"]["mmocr"]["boxes"]

    text = stack.post("/mmocr", document).json()["payload"]["boxes"]["text"]

    assert orjson.loads(base64.b64decode(text))[0]["filename"] == "0"


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (PICTURE[: len(PICTURE) // 2], "cut off or damaged"),
        (PICTURE[:20], "cut off or damaged"),
        (b"", "no picture|empty|missing"),
        (b"not a picture at all", "is not a whole JPEG"),
        (encoded(10_000, 10_000), "large|pixels"),
    ],
    ids=["half", "head only", "no bytes", "rubbish", "10000x10000"],
)
def test_a_bad_picture_is_the_abilitys_own_error(stack: Stack, picture: bytes, words: str) -> None:
    answer = stack.post("/mmocr", request(picture))

    assert answer.status_code == 502
    header = answer.json()["header"]
    assert header["code"] == 10909
    assert re.search(words, header["message"])
    _assert_healthy(stack)


def test_a_picture_of_one_pixel_has_no_words(stack: Stack) -> None:
    answer = stack.post("/mmocr", request(encoded(1, 1)))

    assert answer.status_code == 200
    assert answer.json()["payload"]["boxes"]["text"] == [{"filename": "0", "result": []}]


def _assert_healthy(stack: Stack) -> None:
    assert stack.post("/echo", example("echo")).status_code == 200
    for process in stack.processes():
        if "workers" in process.cmdline():
            assert psutil.Process(process.pid).memory_info().rss < MEMORY_LIMIT_BYTES
