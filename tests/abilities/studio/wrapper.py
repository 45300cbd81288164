"""Takes and gives data of every kind: what the plain form and the page have to show."""

import io
import json
import math
import struct
import wave
import zlib
from typing import Any

from athena.sdk import (
    AudioBodyField,
    BooleanParamField,
    DataListCls,
    ImageBodyField,
    IntegerParamField,
    JsonBodyField,
    NumberParamField,
    Response,
    ResponseData,
    StringBodyField,
    StringParamField,
    WrapperBase,
)

WIDTH, HEIGHT = 64, 40
RATE = 8000


class UserRequest:
    """What the caller may send."""

    mode = StringParamField(key="mode", enums=["calm", "loud"], description="how it answers")
    threshold = NumberParamField(
        key="threshold", minimum=0, maximum=1, default=0, description="scores below are left out"
    )
    times = IntegerParamField(key="times", minimum=1, maximum=9, default=1)
    shout = BooleanParamField(key="shout")
    features = JsonBodyField(key="features")
    note = StringBodyField(key="note")
    picture = ImageBodyField(key="picture")
    sound = AudioBodyField(key="sound")


class UserResponse:
    """What the caller gets; data that it did not send is left out."""

    scores = JsonBodyField(key="scores")
    boxes = JsonBodyField(key="boxes")
    words = StringBodyField(key="words")
    drawing = ImageBodyField(key="drawing")
    tone = AudioBodyField(key="tone")


class Wrapper(WrapperBase):
    """Answers features with scores, a note with words, a picture with boxes and a drawing."""

    serviceId = "studio"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        sent = {item.key: item.data for item in reqData.list}
        response = Response()
        response.list = []
        if "features" in sent:
            rows = json.loads(sent["features"])
            scores = [[value for value in row if value >= UserRequest.threshold.of(params)] for row in rows]
            response.list.append(output("scores", json.dumps(scores)))
        if "note" in sent:
            words = sent["note"].decode() * UserRequest.times.of(params)
            response.list.append(output("words", words.upper() if UserRequest.shout.of(params) else words))
        if "picture" in sent:
            box = {"box": [4, 4, 40, 4, 40, 20, 4, 20], "text": "here", "text_score": 0.9}
            response.list.append(output("boxes", json.dumps([{"result": [box]}])))
            response.list.append(output("drawing", png()))
        if "sound" in sent:
            response.list.append(output("tone", tone()))
        return response


def output(key: str, data: Any) -> ResponseData:
    """Returns an output."""
    answer = ResponseData(key=key)
    answer.setData(data)
    return answer


def png() -> bytes:
    """Returns a small picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + bytes((x * 4, y * 6, 128)[c] for x in range(WIDTH) for c in range(3)) for y in range(HEIGHT)
    )
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tone() -> bytes:
    """Returns a fifth of a second of sound."""
    samples = (int(9000 * math.sin(index / 4)) for index in range(RATE // 5))
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return written.getvalue()
