"""Reads the words in a picture, or in several at a time."""

import ctypes
import json
import logging
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from crew import Crew, crew_size
from models import MODELS_FOLDER, load_models
from picture import FORMATS, Fault, Picture, PictureError, decode
from reader import Reader, ReaderSettings, Reading

from athena.sdk import (
    DataListCls,
    ImageBodyField,
    JsonBodyField,
    Response,
    ResponseData,
    StringParamField,
    WrapperBase,
)

T = TypeVar("T", int, float)

DEFAULT_MAX_PIXELS = 40_000_000


class UserRequest:
    """What the caller may send; the parameters are scheduling hints, the result is the same."""

    category = StringParamField(key="category", maxLength=50, description="kind of ability")
    application_mode = StringParamField(
        key="application_mode",
        enums=["common_gpu", "exclusive_gpu"],
        description="share a GPU with others or have one alone",
    )
    gpu_id = StringParamField(key="gpu_id", maxLength=64, description="which GPU")
    gpu_type = StringParamField(key="gpu_type", maxLength=32, description="which type of GPU")
    data = ImageBodyField(key="data", path="picture.jpg")


class UserResponse:
    """What the caller gets."""

    accept_boxes = JsonBodyField(key="boxes")


class Wrapper(WrapperBase):
    """Finds the words of the picture `data` and answers `boxes`, a JSON list.

    It holds one object for the picture: `[{"filename": "0", "result": [{"box": [x1, y1, …, x4,
    y4], "box_score": …, "text": …, "text_score": …}]}]`. Each `box` is a word, see `split_words`.
    Boxes refer to the picture as it is shown, turned upright if it carries an EXIF orientation.
    """

    serviceId = "mmocr"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_pixels = DEFAULT_MAX_PIXELS
        self._crew = Crew(1)
        self._reader: Reader | None = None

    def wrapperInit(self, config: dict[str, str]) -> int:
        self._max_pixels = _number(config, "max_pixels", DEFAULT_MAX_PIXELS, minimum=1)
        settings = reader_settings(config)
        threads = _threads(config)
        models = load_models(
            Path(config.get("models") or MODELS_FOLDER),
            threads=threads,
            with_classifier=_truth(config, "direction_classifier"),
        )
        self._crew = Crew(crew_size(threads, models.recogniser.runs_on_gpu))
        self._reader = Reader(models, settings, self._crew)
        # RapidOCR's logger has its own handler and level, whatever the application decided.
        logging.getLogger("RapidOCR").setLevel(logging.WARNING)
        return 0

    def wrapperFini(self) -> int:
        self._reader = None
        self._crew.close()
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        assert self._reader is not None, "wrapperInit comes first"
        picture = self._decode(reqData)
        if isinstance(picture, Picture):
            response = answer(picture, self._reader.read(picture.pixels))
        else:
            response = Response().response_err(int(picture))
        return_free_memory()
        return response

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response]:
        """Reads several pictures side by side; one that cannot be used fails alone."""
        assert self._reader is not None, "wrapperInit comes first"
        decoded = self._crew.map(self._decode, req_list)
        readings = iter(self._reader.read_all([item.pixels for item in decoded if isinstance(item, Picture)]))
        responses = [
            answer(item, next(readings)) if isinstance(item, Picture) else Response().response_err(int(item))
            for item in decoded
        ]
        return_free_memory()
        return responses

    def _decode(self, inputs: DataListCls) -> Picture | Fault:
        node = inputs.get("data")
        try:
            return decode(node.data if node else b"", self._max_pixels)
        except PictureError as error:
            return error.fault

    def wrapperError(self, ret: int) -> str:
        formats = ", ".join(FORMATS[:-1]) + " or " + FORMATS[-1]
        texts = {
            Fault.MISSING: "payload.data holds no picture",
            Fault.UNREADABLE: f"payload.data is not a whole {formats} picture; it may be cut off or damaged",
            Fault.TOO_LARGE: f"the picture has more than {self._max_pixels} pixels "
            "(width x height); send a smaller one",
        }
        return texts.get(ret, "")


def reader_settings(config: dict[str, str]) -> ReaderSettings:
    """Returns the settings of the reader that the `[config]` table of ability.toml asks for.

    Raises:
        ValueError: a value cannot be used.
    """
    standard = ReaderSettings()
    return ReaderSettings(
        text_score=_number(config, "text_score", standard.text_score, minimum=0),
        max_lines=_number(config, "max_lines", standard.max_lines, minimum=1),
        detector_pixels=_number(config, "detector_pixels", standard.detector_pixels, minimum=10_000),
    )


def answer(picture: Picture, readings: list[Reading]) -> Response:
    """Returns the response for a picture that was read."""
    output = ResponseData(key="boxes")
    output.setData(as_json(picture, readings))
    response = Response()
    response.list = [output]
    return response


def as_json(picture: Picture, readings: list[Reading]) -> bytes:
    """Returns the answer; boxes are given in the picture's own size."""
    height, width = picture.pixels.shape[:2]
    scale = np.array([picture.width / width, picture.height / height])
    result = [
        {
            "box": np.rint(reading.box * scale).astype(int).ravel().tolist(),
            "box_score": round(reading.box_score, 6),
            "text": reading.text,
            "text_score": round(reading.text_score, 6),
        }
        for reading in readings
    ]
    return json.dumps([{"filename": "0", "result": result}], ensure_ascii=False).encode()


def return_free_memory() -> None:
    """Gives memory back to the system; glibc alone would keep some 100 MB between jobs."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _number(config: dict[str, str], key: str, default: T, minimum: float) -> T:
    raw = config.get(key) or str(default)
    try:
        value = type(default)(raw)
    except ValueError:
        value = None
    if value is None or not value >= minimum:
        kind = "whole number" if isinstance(default, int) else "number"
        raise ValueError(f"[config] {key} must be a {kind} from {minimum}, got {raw!r}")
    return value


def _threads(config: dict[str, str]) -> int | None:
    """Returns the threads of one inference; None for the share that the worker was given."""
    return _number(config, "intra_op_threads", 1, minimum=0) if config.get("intra_op_threads") else None


def _truth(config: dict[str, str], key: str) -> bool:
    raw = config.get(key) or "false"
    if raw not in ("true", "false"):
        raise ValueError(f"[config] {key} must be true or false, got {raw!r}")
    return raw == "true"
