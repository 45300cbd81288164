"""Finds and reads the words of pictures with RapidOCR's models."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import cv2
import numpy as np
from crew import Crew
from lines import Line, Word, cut_out, detector_size, in_reading_order, part_of, split_words
from models import Models, run
from rapidocr.ch_ppocr_det.utils import DBPostProcess
from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode

#: Lower than RapidOCR's 0.5, to find curved lines; what is no text falls by its text score.
BOX_THRESHOLD = 0.3

LINE_HEIGHT = 48
#: The recogniser reads short words worse when they are not padded to this width.
LINE_MIN_WIDTH = 320
#: Bounds the memory of one line: the output has 18,710 numbers for every 8 columns.
LINE_MAX_WIDTH = 3200

CLASSIFIER_WIDTH = 192
UPSIDE_DOWN_SCORE = 0.9


@dataclass(frozen=True)
class ReaderSettings:
    """How to read.

    Attributes:
        text_score: lines below it are dropped.
        max_lines: of the lines in a picture only so many, the surest, are read.
        detector_pixels: larger pictures are shrunk to this many pixels for finding lines.
    """

    text_score: float = 0.5
    max_lines: int = 300
    detector_pixels: int = 1_000_000


@dataclass(frozen=True)
class Reading:
    """A word in the picture.

    Attributes:
        text: the word.
        text_score: mean of the recogniser's scores of its characters.
        box: its 4 corners from the top left, clockwise, as x and y.
        box_score: the detector's score of the line that holds the word.
    """

    text: str
    text_score: float
    box: np.ndarray
    box_score: float


class Reader:
    """Reads pictures, one or several at a time; the answers do not depend on that.

    Several are read side by side: their lines are found, then all lines are read, so that a full
    picture does not keep one core busy while the others have nothing to do. An inference is still one
    of a picture, or of a line: the models gain nothing from larger ones on the CPU, and their scores
    would differ in the seventh digit.
    """

    def __init__(self, models: Models, settings: ReaderSettings, crew: Crew) -> None:
        self._models = models
        self._settings = settings
        self._crew = crew
        self._find_boxes = DBPostProcess(box_thresh=BOX_THRESHOLD, unclip_ratio=1.6, use_dilation=True)
        self._decode = CTCLabelDecode(character=list(models.characters))

    def read(self, picture: np.ndarray) -> list[Reading]:
        """Returns the words of a picture (height x width x 3, blue first) in reading order."""
        lines = self._find_lines(picture)
        return [reading for line in lines for reading in self._read_line(picture, *line)]

    def read_all(self, pictures: Sequence[np.ndarray]) -> list[list[Reading]]:
        """Returns the words of each picture."""
        found = self._crew.map(self._find_lines, pictures)
        tasks = [(picture, *line) for picture, lines in zip(pictures, found, strict=True) for line in lines]
        read = iter(self._crew.map(lambda task: list(self._read_line(*task)), tasks))
        return [list(chain.from_iterable(next(read) for _ in lines)) for lines in found]

    def _find_lines(self, picture: np.ndarray) -> list[Line]:
        height, width = picture.shape[:2]
        size = detector_size(width, height, self._settings.detector_pixels)
        heat = run(self._models.detector, _normalised(picture, size))
        boxes, scores = self._find_boxes(heat, (height, width))
        lines = sorted(zip(boxes, scores, strict=True), key=lambda line: -line[1])
        return in_reading_order(lines[: self._settings.max_lines])

    def _read_line(self, picture: np.ndarray, box: np.ndarray, box_score: float) -> Iterator[Reading]:
        crop, is_vertical = cut_out(picture, box)
        is_upside_down = self._is_upside_down(crop)
        if is_upside_down:
            crop = cv2.rotate(crop, cv2.ROTATE_180)
        for word in self._recognise(crop):
            start, end = word.start, word.end
            if is_upside_down:
                start, end = 1 - end, 1 - start
            part = part_of(box, start, end, is_vertical)
            yield Reading(word.text, word.score, part, float(box_score))

    def _is_upside_down(self, crop: np.ndarray) -> bool:
        if self._models.classifier is None:
            return False
        width = min(CLASSIFIER_WIDTH, _line_width(crop))
        scores = run(self._models.classifier, _padded(crop, width, CLASSIFIER_WIDTH))
        return bool(scores[0, 1] > UPSIDE_DOWN_SCORE)

    def _recognise(self, crop: np.ndarray) -> list[Word]:
        width = min(LINE_MAX_WIDTH, _line_width(crop))
        padded_width = max(LINE_MIN_WIDTH, width)
        scores = run(self._models.recogniser, _padded(crop, width, padded_width))
        lines, details = self._decode(scores, return_word_box=True)
        text, line_score = lines[0]
        if line_score < self._settings.text_score or not text.strip():
            return []
        columns = [column for part in details[0].word_cols for column in part]
        used_columns = scores.shape[1] * width / padded_width
        return split_words(text, details[0].confs, columns, used_columns)


def _normalised(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    # blobFromImage alone would skip pixels of a picture that is much larger.
    smoothing = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, size, interpolation=smoothing)
    return cv2.dnn.blobFromImage(scaled, 1 / 127.5, mean=(127.5, 127.5, 127.5))


def _padded(crop: np.ndarray, width: int, padded_width: int) -> np.ndarray:
    batch = np.zeros((1, 3, LINE_HEIGHT, padded_width), np.float32)
    batch[:, :, :, :width] = _normalised(crop, (width, LINE_HEIGHT))
    return batch


def _line_width(crop: np.ndarray) -> int:
    return math.ceil(LINE_HEIGHT * crop.shape[1] / crop.shape[0])
