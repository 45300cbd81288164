"""Batches of the abilities with models: each answer is the one that the same input gets alone."""

import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from athena.ability.manifest import load_ability
from athena.sdk import DataListCls, DataListNode, device
from workers.runtime.dispatcher import Dispatcher, OnceArguments

pytest.importorskip("rapidocr")
pytest.importorskip("onnxruntime")
Image = pytest.importorskip("PIL.Image")

ROOT = Path(__file__).parents[2]
MMOCR, DIGITS = ROOT / "abilities" / "mmocr", ROOT / "examples" / "digits"


def png(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def pictures(path: Path) -> dict[str, bytes]:
    """Returns variations of a picture, and what is none."""
    data = path.read_bytes()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    return {
        "whole": data,
        "upper half": png(image.crop((0, 0, width, height // 2))),
        "left part": png(image.crop((0, 0, width * 2 // 3, height))),
        "turned": png(image.rotate(90, expand=True)),
        "askew": png(image.rotate(7, expand=True, fillcolor="white")),
        "small": png(image.resize((width // 2, height // 2))),
        "huge": png(image.resize((width * 4, height * 4))),
        "tiny": png(Image.new("RGB", (1, 1), "white")),
        "blank": png(Image.new("RGB", (300, 200), "white")),
        "cut off": data[: len(data) // 2],
        "no picture": b"\x00rubbish" * 20,
        "nothing": b"",
    }


OCR_PICTURES = pictures(MMOCR / "picture.jpg")
DIGIT_PICTURES = pictures(DIGITS / "seven.png")


class Loaded:
    """A wrapper as a worker has it, and what it answers to each input alone."""

    def __init__(self, dispatcher: Dispatcher, key: str, inputs: dict[str, bytes]) -> None:
        self._dispatcher = dispatcher
        self._key = key
        self._inputs = inputs
        self._alone: dict[str, str] = {}

    def alone(self, name: str) -> str:
        """Returns the answer, or the error, that the input gets alone."""
        if name not in self._alone:
            try:
                self._alone[name] = repr(self._dispatcher.once(self._arguments(name)))
            except Exception as error:
                self._alone[name] = described(error)
        return self._alone[name]

    def together(self, names: list[str]) -> list[str]:
        """Returns what the inputs get in one batch."""
        items = self._dispatcher.batch([self._arguments(name) for name in names])
        return [described(item) if isinstance(item, Exception) else repr(item) for item in items]

    def _arguments(self, name: str) -> OnceArguments:
        node = DataListNode(self._key, self._inputs[name], 2)
        return OnceArguments({"sid": "1"}, DataListCls([node]), "1")


def described(error: Any) -> str:
    return f"{type(error).__name__} {error.code} {error.message}"


def load(folder: Path, key: str, inputs: dict[str, bytes]) -> Iterator[Loaded]:
    """Loads an ability's wrapper and leaves no trace of it."""
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("wrapper", folder / "wrapper.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    device.assign(device.Device("cpu", threads=2))
    dispatcher = Dispatcher(module.Wrapper(), {})
    dispatcher.init(load_ability(folder).config)
    yield Loaded(dispatcher, key, inputs)
    dispatcher.fini()
    device.assign(device.Device())
    sys.path.remove(str(folder))
    for path in folder.glob("*.py"):
        if path.stem not in known:
            sys.modules.pop(path.stem, None)


@pytest.fixture(scope="module")
def mmocr() -> Iterator[Loaded]:
    yield from load(MMOCR, "data", OCR_PICTURES)


@pytest.fixture(scope="module")
def digits() -> Iterator[Loaded]:
    yield from load(DIGITS, "image", DIGIT_PICTURES)


@pytest.mark.parametrize("size", range(1, load_ability(MMOCR).worker.max_batch + 3))
def test_every_picture_is_read_in_a_batch_as_alone(mmocr: Loaded, size: int) -> None:
    names = list(OCR_PICTURES)

    for start in range(0, len(names), size):
        batch = names[start : start + size]
        assert mmocr.together(batch) == [mmocr.alone(name) for name in batch]


@settings(max_examples=8, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(sorted(OCR_PICTURES.keys() - {"huge"})), min_size=2, max_size=4))
def test_any_mix_of_pictures_is_read_as_alone(mmocr: Loaded, names: list[str]) -> None:
    assert mmocr.together(names) == [mmocr.alone(name) for name in names]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.lists(
        st.sampled_from(sorted(DIGIT_PICTURES)),
        min_size=1,
        max_size=load_ability(DIGITS).worker.max_batch,
    )
)
def test_any_mix_of_digits_is_told_as_alone(digits: Loaded, names: list[str]) -> None:
    assert digits.together(names) == [digits.alone(name) for name in names]


@pytest.mark.parametrize("size", range(1, load_ability(DIGITS).worker.max_batch + 1))
def test_a_batch_of_any_size_gives_the_golden_digit(digits: Loaded, size: int) -> None:
    golden = json.loads((DIGITS / "golden.json").read_text())["digit"]["text"]

    for answer in digits.together(["whole"] * size):
        assert json.dumps(golden) in answer


def test_the_errors_say_why(mmocr: Loaded, digits: Loaded) -> None:
    assert mmocr.alone("cut off").endswith("damaged;code=2")
    assert mmocr.alone("nothing").endswith("no picture;code=1")
    assert digits.alone("nothing").endswith("no picture;code=1")
