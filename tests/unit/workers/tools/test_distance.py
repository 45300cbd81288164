"""How far answers are from each other, whatever they are made of."""

import io
import math
import struct
import wave
from typing import Any

import orjson
import pybase64
import pytest

from workers.tools.distance import Distance, distance


def payload(data: bytes | str, field: str = "text") -> bytes:
    """Returns a payload with one output."""
    raw = data.encode() if isinstance(data, str) else data
    return orjson.dumps({"result": {field: pybase64.b64encode(raw).decode()}})


def of_json(value: Any) -> bytes:
    return payload(orjson.dumps(value))


def wav(*samples: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return file.getvalue()


@pytest.mark.parametrize(
    ("alone", "other", "size", "place"),
    [
        # Numbers of a list are told in parts of its largest one.
        ([0.02, -0.04], [0.02, -0.03], 0.25, "/result"),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 2.0]], 0.5, "/result"),
        # Others in parts of themselves, small ones in parts of 1.
        ({"score": 0.9, "name": "cat"}, {"score": 0.8, "name": "cat"}, 0.1, "/result/score"),
        ({"width": 200}, {"width": 100}, 0.5, "/result/width"),
        ([{"box": [1, 2]}, {"box": [3, 4]}], [{"box": [1, 2]}, {"box": [3, 5]}], 0.2, "/result/1/box"),
        ({"is_speech": True}, {"is_speech": False}, math.inf, "/result/is_speech"),
        ({"text": "yes"}, {"text": "no"}, math.inf, "/result/text"),
        ([1.0, 2.0], [1.0], math.inf, "/result"),
        ({"a": 1}, {"b": 1}, math.inf, "/result"),
        ([], [], 0.0, "/result"),
        ([0.0], [0.0], 0.0, "/result"),
        ([1e308, -1e308], [-1e308, 1e308], math.inf, "/result"),
    ],
)
def test_json_is_compared_number_by_number(alone: Any, other: Any, size: float, place: str) -> None:
    found = distance(of_json(alone), of_json(other))

    assert found.size == pytest.approx(size)
    assert found.place == place
    assert distance(of_json(alone), of_json(alone)).size == 0


def test_texts_sounds_arrays_and_other_bytes_are_compared_as_what_they_are() -> None:
    assert distance(payload("grüß Gott"), payload("grüß Gott")) == Distance(0, "/result")
    assert distance(payload("grüß Gott"), payload("grüß dich")).size == math.inf
    sounds = [payload(wav(0, 1000), "audio"), payload(wav(0, 900), "audio")]
    assert distance(*sounds).size == pytest.approx(0.1)
    arrays = [payload(struct.pack("<2f", *numbers), "other") for numbers in ((0.5, 1), (0.4, 1))]
    assert distance(*arrays).size == pytest.approx(0.1)
    others = [payload(b"\xff\xd8\xff" + end, "image") for end in (b"a", b"b")]
    assert distance(*others).size == math.inf
    assert distance(others[0], others[0]).size == 0


def test_answers_with_other_outputs_differ() -> None:
    assert distance(of_json(1), b"{}") == Distance(math.inf, "/")
