"""What pictures and sounds are, told by their first bytes."""

import io
import wave

import pytest
from PIL import Image

from athena.sniffing import encoding_warning, sniff


def picture(format: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, format)
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0")
    return out.getvalue()


@pytest.mark.parametrize(
    ("format", "encoding"),
    [
        ("JPEG", "jpg"),
        ("PNG", "png"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tiff"),
        ("WEBP", "webp"),
    ],
)
def test_pictures_are_recognised(format: str, encoding: str) -> None:
    assert sniff(picture(format)) == encoding


def test_sounds_are_recognised() -> None:
    assert sniff(sound()) == "wav"
    assert sniff(b"fLaC....") == "flac"


@pytest.mark.parametrize("data", [b"", b"B", b"hello", b"RIFF\0\0\0\0AVI "])
def test_other_bytes_say_nothing(data: bytes) -> None:
    assert sniff(data) == ""


@pytest.mark.parametrize(
    ("type", "data", "encoding"),
    [
        (2, picture("JPEG"), "jpg"),
        (2, picture("JPEG"), "JPEG"),
        (2, picture("PNG"), ""),
        (2, b"anything", "heic"),
        (2, b"", "png"),
        (1, b"\0\1\2\3", "raw"),
        (0, picture("PNG"), "utf8"),
    ],
)
def test_what_fits_or_cannot_be_told_is_not_warned_of(type: int, data: bytes, encoding: str) -> None:
    assert encoding_warning(type, data, {"encoding": encoding} if encoding else {}) == ""


@pytest.mark.parametrize(
    ("type", "data", "encoding", "warning"),
    [
        (2, picture("PNG"), "jpg", "looks like png, although its encoding is jpg"),
        (2, b"hello", "png", "does not look like png, as its encoding says"),
        (1, sound(), "raw", "begins like wav, although its encoding is raw"),
        (1, b"hello", "mp3", "does not look like mp3, as its encoding says"),
    ],
)
def test_what_does_not_fit_is_warned_of(type: int, data: bytes, encoding: str, warning: str) -> None:
    assert encoding_warning(type, data, {"encoding": encoding}) == warning
