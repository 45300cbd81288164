"""What pictures and sounds are, told by their first bytes."""

import io
import wave

import pytest
from PIL import Image

from athena.protocol.sniffing import encoding_warning, sniff


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


def id3(size: int, footer: bool = False) -> bytes:
    """Returns an ID3 tag with `size` bytes of frames."""
    length = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    flags = 0x10 if footer else 0
    return b"ID3\4\0" + bytes([flags]) + length + b"\0" * size + (b"3DI\4\0\0" + length if footer else b"")


#: First two bytes of MP3 frames: MPEG 1, 2 and 2.5, without and with a checksum.
@pytest.mark.parametrize(
    "sync", [b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2"]
)
def test_mp3_of_every_rate_is_recognised(sync: bytes) -> None:
    assert sniff(sync + b"\x18\xc4") == "mp3"
    assert encoding_warning(1, sync + b"\x18\xc4", {"encoding": "mp3"}) == ""


@pytest.mark.parametrize("tags", [id3(0), id3(5), id3(300), id3(300, footer=True), id3(40) + id3(20_000)])
def test_what_a_sound_is_stands_behind_its_tags(tags: bytes) -> None:
    assert sniff(tags + b"fLaC\0\0\0\x22") == "flac"
    assert encoding_warning(1, tags + b"fLaC\0", {"encoding": "flac"}) == ""
    assert sniff(tags + b"\xff\xfb\x90\0") == "mp3"


@pytest.mark.parametrize("data", [id3(300)[:200], id3(0), b"ID3\4\0\0" + b"\xff" * 20])
def test_a_tag_alone_is_taken_for_mp3(data: bytes) -> None:
    assert sniff(data) == "mp3"


@pytest.mark.parametrize("data", [b"II+\0\x08\0\0\0" + b"\0" * 8, b"MM\0+\0\x08\0\0" + b"\0" * 8])
def test_large_tiff_is_recognised(data: bytes) -> None:
    assert sniff(data) == "tiff"
    assert encoding_warning(2, data, {"encoding": "tiff"}) == ""


@pytest.mark.parametrize("data", [b"", b"ID3", b"B", b"hello", b"RIFF\0\0\0\0AVI "])
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
