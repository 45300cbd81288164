"""What requests are made of an example."""

import io
import struct
import wave
from typing import Any

import orjson
import pybase64
import pytest

from athena.jobs.message import JobMessage, MessageInput
from workers.tools.variations import variations_of

Image = pytest.importorskip("PIL.Image")


def message(data: bytes, type: int = 0, **attributes: str) -> JobMessage:
    text = pybase64.b64encode(data).decode()
    return JobMessage("j", "a", {}, (MessageInput("x", type, 3, len(data), text, attributes),), {})


def varied(data: bytes, type: int = 0, **attributes: str) -> dict[str, bytes]:
    """Returns the data of each request by its name."""
    found = variations_of(message(data, type, **attributes))
    return {item.name: pybase64.b64decode(item.message.inputs[0].text or "") for item in found}


def sound(*samples: int, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(width)
        target.setframerate(8000)
        target.writeframes(struct.pack(f"<{len(samples)}{'hB'[width == 1]}", *samples))
    return file.getvalue()


def samples_of(data: bytes) -> tuple[Any, ...]:
    with wave.open(io.BytesIO(data)) as source:
        frames = source.readframes(source.getnframes())
    return struct.unpack(f"<{len(frames) // 2}h", frames)


def test_text_becomes_shorter_longer_and_turned() -> None:
    assert varied("grüß mir die Mutter".encode()) == {
        "example": "grüß mir die Mutter".encode(),
        "short": "grüß".encode(),
        "long": "grüß mir die Mutter grüß mir die Mutter".encode(),
        "turned": "Mutter die mir grüß".encode(),
    }


def test_json_stays_what_it_is_with_other_numbers_and_texts() -> None:
    found = varied(orjson.dumps({"age": 32, "score": 0.5, "name": "a b c", "is_new": True, "none": None}))

    assert orjson.loads(found["quiet"]) == {
        **{"age": 2, "score": 0.03125, "name": "a", "is_new": True, "none": None}
    }
    assert orjson.loads(found["loud"])["age"] == 256


def test_sound_becomes_louder_quieter_and_shorter() -> None:
    found = varied(sound(1600, -16000, 5, 5), 1)

    assert samples_of(found["quiet"]) == (100, -1000, 0, 0)
    assert samples_of(found["loud"]) == (12800, -32768, 40, 40)
    assert samples_of(found["short"]) == (1600, -16000)
    # What 8 bits are multiplied with is another number.
    assert varied(sound(1, 2, width=1), 1).keys() == {"example", "short"}


def test_sound_without_a_head_is_taken_as_it_says() -> None:
    assert varied(struct.pack("<2h", 16, 32), 1, encoding="raw")["quiet"] == struct.pack("<2h", 1, 2)
    assert varied(b"\xff\xfb sound", 1, encoding="mp3").keys() == {"example"}


def test_picture_becomes_dark_turned_and_small_in_its_own_format() -> None:
    picture, file = Image.new("RGB", (4, 2), "white"), io.BytesIO()
    picture.putpixel((0, 0), (0, 0, 0))
    picture.save(file, "PNG")

    found = {name: Image.open(io.BytesIO(data)) for name, data in varied(file.getvalue(), 2).items()}

    assert found["dark"].getpixel((1, 1)) == (102, 102, 102)
    assert found["turned"].getpixel((3, 1)) == (0, 0, 0)
    assert (found["small"].size, found["small"].format) == ((2, 1), "PNG")


def test_packed_input_is_varied_unpacked() -> None:
    import gzip

    found = variations_of(message(gzip.compress(b"one two three"), compress="gzip"))

    short = next(item for item in found if item.name == "short").message.inputs[0]
    assert (pybase64.b64decode(short.text or ""), short.attributes["compress"]) == (b"one", "raw")
