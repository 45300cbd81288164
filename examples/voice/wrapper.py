"""Finds out where in a recording there is sound, and how loud it is."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from athena.sdk import (
    AudioBodyField,
    DataListCls,
    JsonBodyField,
    NumberParamField,
    Response,
    WrapperBase,
    answer,
    audio,
)

DEFAULT_THRESHOLD_DBFS = -40.0
RATE = 16000
FRAME_S = 0.02

#: Quieter than this counts as silence without a level.
FLOOR_DBFS = -120.0


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
        # Any kind of file; channels become their mean. What cannot be read is the caller's HTTP 400.
        samples = audio(reqData.get("sound"), RATE)
        return answer(report=describe(samples, RATE, UserRequest.threshold.of(params)))


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
