"""Finds out where in a WAV recording there is sound, and how loud it is."""

import io
import json
import math
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np

from athena.sdk import (
    AudioBodyField,
    DataListCls,
    JsonBodyField,
    NumberParamField,
    Response,
    ResponseData,
    WrapperBase,
)

NO_WAV = 1
NO_SOUND = 2

DEFAULT_THRESHOLD_DBFS = -40.0
FRAME_S = 0.02

#: Quieter than this counts as silence without a level.
FLOOR_DBFS = -120.0

#: Bytes per sample -> type and full scale of integers; 8 bits are unsigned in WAV files.
_SAMPLES: dict[int, tuple[str, float]] = {1: ("u1", 128.0), 2: ("<i2", 32768.0), 4: ("<i4", 2147483648.0)}


class UserRequest:
    """What the caller sends."""

    threshold = NumberParamField(
        key="threshold_dbfs",
        minimum=-80,
        maximum=-1,
        default=DEFAULT_THRESHOLD_DBFS,
        description="quieter frames are silence",
    )
    sound = AudioBodyField(key="sound")


class UserResponse:
    """What the caller gets: a JSON object, see `describe`."""

    accept_report = JsonBodyField(key="report")


class Wrapper(WrapperBase):
    """Measures a recording."""

    serviceId = "voice"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        node = reqData.get("sound")
        try:
            samples, rate, channels = read_wav(node.data if node is not None else b"")
        except (wave.Error, EOFError, ValueError):
            return Response().response_err(NO_WAV)
        if not len(samples):
            return Response().response_err(NO_SOUND)
        threshold_dbfs = UserRequest.threshold.of(params)
        report = {"sample_rate": rate, "channels": channels, **describe(samples, rate, threshold_dbfs)}
        output = ResponseData(key="report")
        output.setData(json.dumps(report))
        response = Response()
        response.list = [output]
        return response

    def wrapperError(self, ret: int) -> str:
        texts = {
            NO_WAV: "payload.sound is no WAV file with PCM samples of 8, 16 or 32 bits",
            NO_SOUND: "payload.sound holds no samples",
        }
        return texts.get(ret, "")


def read_wav(data: bytes) -> tuple[Any, int, int]:
    """Returns the mean of all channels, -1 to 1, the sample rate and the number of channels.

    Raises:
        wave.Error, EOFError, ValueError: it is no WAV file, or one of another kind.
    """
    with wave.open(io.BytesIO(data)) as file:
        if file.getsampwidth() not in _SAMPLES or file.getframerate() <= 0:
            raise ValueError("unknown kind of samples")
        kind, scale = _SAMPLES[file.getsampwidth()]
        raw = file.readframes(file.getnframes())
        channels, rate = file.getnchannels(), file.getframerate()
    whole = len(raw) - len(raw) % (channels * np.dtype(kind).itemsize)
    values = np.frombuffer(raw[:whole], kind).astype(np.float32)
    values = (values - 128.0 if kind == "u1" else values) / scale
    return values.reshape(-1, channels).mean(axis=1), rate, channels


def describe(samples: Any, rate: int, threshold_dbfs: float) -> dict[str, Any]:
    """Returns the report on a recording; times are seconds, levels decibels below full scale."""
    size = max(1, round(rate * FRAME_S))
    padded = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    is_loud = [dbfs(math.sqrt(power)) >= threshold_dbfs for power in np.square(padded).mean(axis=1)]
    duration_s = len(samples) / rate
    return {
        "duration_s": round(duration_s, 3),
        "rms_dbfs": dbfs(float(np.sqrt(np.square(samples).mean()))),
        "peak_dbfs": dbfs(float(np.abs(samples).max())),
        "segments": [
            {"start_s": round(start * size / rate, 3), "end_s": round(min(end * size / rate, duration_s), 3)}
            for start, end in runs(is_loud)
        ],
    }


def runs(flags: list[bool]) -> Iterator[tuple[int, int]]:
    """Yields start and end (exclusive) of each run of true values."""
    start = None
    for place, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = place
        elif not flag and start is not None:
            yield start, place
            start = None


def dbfs(level: float) -> float:
    """Returns a level, 0 to 1, in decibels below full scale."""
    return round(max(FLOOR_DBFS, 20 * math.log10(level)), 1) if level > 0 else FLOOR_DBFS
