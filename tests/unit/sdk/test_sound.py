"""Ordinary sound files, made here: right numbers, or a refusal that names what is wrong."""

import io
import struct
from typing import Any

import numpy as np
import pytest

from athena.sdk import DataListNode, InputError, audio, wav

soundfile = pytest.importorskip("soundfile")

RATE, SECONDS = 16000, 0.5


def tone(rate: int = RATE, hertz: float = 440, level: float = 0.5) -> Any:
    times = np.arange(int(rate * SECONDS)) / rate
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def file_of(samples: Any, rate: int, form: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def node(data: bytes, **attributes: str) -> DataListNode:
    return DataListNode("sound", data, 1, attributes=attributes)


#: A file -> how far its numbers may be from the tone, which resampling and lossy codings change a little.
FILES = {
    "16 bits": (file_of(tone(), RATE, "WAV", "PCM_16"), 1e-4),
    "8 bits": (file_of(tone(), RATE, "WAV", "PCM_U8"), 0.01),
    "24 bits, 48 kHz": (file_of(tone(48000), 48000, "WAV", "PCM_24"), 0.01),
    "floats, 8 kHz": (file_of(tone(8000), 8000, "WAV", "FLOAT"), 0.01),
    "mu-law, 8 kHz": (file_of(tone(8000), 8000, "WAV", "ULAW"), 0.03),
    "stereo, 44.1 kHz": (file_of(np.stack([tone(44100), tone(44100)], 1), 44100, "WAV"), 0.01),
    "extensible, six channels": (file_of(np.stack([tone()] * 6, 1), RATE, "WAVEX", "PCM_16"), 1e-4),
    "flac": (file_of(tone(), RATE, "FLAC"), 1e-4),
    "ogg": (file_of(tone(), RATE, "OGG", "VORBIS"), 0.05),
    "opus": (file_of(tone(48000), 48000, "OGG", "OPUS"), 0.08),
    "mp3": (file_of(tone(44100), 44100, "MP3"), 0.05),
    "aiff": (file_of(tone(), RATE, "AIFF"), 1e-4),
}


@pytest.mark.parametrize("name", FILES)
def test_ordinary_files_have_the_numbers_of_their_sound(name: str) -> None:
    data, tolerance = FILES[name]

    found, expected = audio(node(data, encoding="wav")), tone()

    assert found.dtype == np.float32
    # Codecs begin a moment late, and fill their last frame: compared where the tone is, by its best place.
    assert abs(len(found) - len(expected)) < RATE / 10
    starts = range(0, 1500) if len(found) > len(expected) else [0]
    size = min(len(found), len(expected)) - 3000
    apart = [np.abs(found[at + 800 : at + 800 + size - 800] - expected[800:size]).max() for at in starts]
    assert min(apart) < tolerance


def test_channels_become_their_mean() -> None:
    left, right = tone(level=0.8), tone(level=0.2)

    assert audio(file_of(np.stack([left, right], 1), RATE, "WAV")) == pytest.approx(tone(), abs=1e-4)


def test_sound_without_a_head_is_what_its_attributes_say() -> None:
    data = struct.pack("<4h", 16384, -16384, 0, 32767)

    assert audio(node(data, encoding="raw")).tolist() == pytest.approx([0.5, -0.5, 0, 1], abs=1e-4)
    pairs = audio(node(data, encoding="pcm", channels="2", sample_rate="16000"))
    assert pairs.tolist() == pytest.approx([0, 0.5], abs=1e-4)
    assert len(audio(node(data * 100, encoding="raw", sample_rate="8000"))) == pytest.approx(800, abs=2)


def test_file_written_before_its_end_was_known_is_read() -> None:
    data = bytearray(FILES["16 bits"][0])
    data[40:44] = b"\xff\xff\xff\xff"

    assert audio(bytes(data)) == pytest.approx(tone(), abs=1e-4)


@pytest.mark.parametrize(
    ("data", "attributes", "text"),
    [
        (b"", {}, "sound holds no sound"),
        (b"hello, I am a text", {}, "sound is no sound that can be read"),
        (bytes(range(256)) * 40, {}, "sound is no sound that can be read"),
        (FILES["16 bits"][0][:5000], {}, "sound is cut off: 4956 of 16000 bytes"),
        (FILES["flac"][0][:-2000], {}, "sound is"),
        (FILES["16 bits"][0][:44][:40] + bytes(4), {}, "sound holds no samples"),
        (file_of(np.full(100, np.nan, np.float32), RATE, "WAV", "FLOAT"), {}, "samples that are no numbers"),
        (file_of(np.zeros(40_000), 1000, "WAV"), {}, "sound lasts more than 30 s"),
        (bytes(32000 * 31), {"encoding": "raw"}, "sound lasts more than 30 s"),
        (bytes(3), {"encoding": "raw"}, "3 bytes, which are no whole samples of 2"),
        (bytes(4), {"encoding": "raw", "bit_depth": "8"}, "bit_depth of 8"),
        (bytes(4), {"encoding": "raw", "channels": "x"}, "channels of 'x'"),
        (bytes(4), {"encoding": "raw", "sample_rate": "7"}, "7 samples a second"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(data: bytes, attributes: dict[str, str], text: str) -> None:
    with pytest.raises(InputError) as caught:
        audio(node(data, **attributes), max_s=30)

    assert text in str(caught.value)
    assert caught.value.key == "sound"


def test_numbers_become_a_file() -> None:
    assert audio(wav(tone(), RATE)) == pytest.approx(tone(), abs=1e-4)
    loud = audio(wav(np.array([2.0, -2.0, 0.0]), RATE))
    assert loud.tolist() == pytest.approx([1, -1, 0], abs=1e-4)
    stereo, rate = soundfile.read(
        io.BytesIO(wav(np.array([[1, -1], [2, -2]], np.int16), 8000)), dtype="int16"
    )
    assert (stereo.tolist(), rate) == ([[1, -1], [2, -2]], 8000)


@pytest.mark.parametrize(
    "samples", [np.array([np.nan]), np.array([1, 2]), np.zeros((1, 1, 1)), ["a"], np.array([True])]
)
def test_other_things_are_no_samples(samples: Any) -> None:
    with pytest.raises(ValueError, match="numbers"):
        wav(samples, RATE)
