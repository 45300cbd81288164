"""Where lines and words lie in a picture: plain geometry, no models."""

import math
from dataclasses import dataclass
from itertools import groupby

import cv2
import numpy as np

#: A smaller picture is enlarged for the detector until its short side has this many pixels.
DETECTOR_MIN_SIDE = 480
DETECTOR_MAX_ENLARGEMENT = 4
DETECTOR_MAX_SIDE = 4096
DETECTOR_MULTIPLE = 32

#: The corners of a line from the top left, clockwise, and the detector's score.
Line = tuple[np.ndarray, float]


@dataclass(frozen=True)
class Word:
    """A word of a line; `start` and `end` say where, as fractions of the line's length."""

    text: str
    score: float
    start: float
    end: float


def detector_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """Returns the width and height at which a picture is searched for lines."""
    scale = max(1.0, DETECTOR_MIN_SIDE / min(width, height))
    scale = min(scale, DETECTOR_MAX_ENLARGEMENT)
    scale = min(scale, math.sqrt(max_pixels / (width * height)))
    scale = min(scale, DETECTOR_MAX_SIDE / max(width, height))
    return _multiple(width * scale), _multiple(height * scale)


def in_reading_order(lines: list[Line]) -> list[Line]:
    """Sorts lines into rows from the top, and the lines of a row from the left.

    RapidOCR's own sort moves the boxes but not their scores.
    """
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: _middle(line[0])):
        if rows and _middle(line[0]) - _middle(rows[-1][0][0]) < _thickness(rows[-1][0][0]) / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line[0][:, 0].min())]


def cut_out(picture: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, bool]:
    """Returns a line as a straight picture, and whether it is a vertical one, laid down."""
    top, right, bottom, left = (float(np.linalg.norm(box[i] - box[(i + 1) % 4])) for i in range(4))
    width, height = max(1, round(max(top, bottom))), max(1, round(max(left, right)))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(box.astype(np.float32), corners)
    crop = cv2.warpPerspective(
        picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    is_vertical = height >= 1.5 * width
    return (cv2.rotate(crop, cv2.ROTATE_90_COUNTERCLOCKWISE) if is_vertical else crop), is_vertical


def part_of(box: np.ndarray, start: float, end: float, is_vertical: bool) -> np.ndarray:
    """Returns the corners of the part of a line between two fractions of its length."""
    top_left, top_right, bottom_right, bottom_left = box
    if is_vertical:
        left, right = bottom_left - top_left, bottom_right - top_right
        return np.array(
            [
                top_left + start * left,
                top_right + start * right,
                top_right + end * right,
                top_left + end * left,
            ]
        )
    top, bottom = top_right - top_left, bottom_right - bottom_left
    return np.array(
        [
            top_left + start * top,
            top_left + end * top,
            bottom_left + end * bottom,
            bottom_left + start * bottom,
        ]
    )


def split_words(text: str, scores: list[float], columns: list[int], used_columns: float) -> list[Word]:
    """Splits a line at its blanks only.

    A line of a script without blanks, such as Chinese, therefore stays one piece: where its words
    end is a question of language, and cutting at changes of script or at wide gaps would break
    names and numbers apart.

    Args:
        text: the line.
        scores: of each character of `text`.
        columns: of each character of `text` that is no blank.
        used_columns: how many columns the line has.
    """
    # The recogniser answers for dense lines with more columns than the line has.
    used_columns = max(used_columns, *(column + 1 for column in columns))
    half = _advance(columns, used_columns) / 2
    places = iter(columns)
    words = []
    marks = zip(text, scores, strict=True)
    for is_blank, group in groupby(marks, key=lambda mark: mark[0].isspace()):
        if is_blank:
            continue
        characters, confidences = zip(*group, strict=True)
        own = [next(places) for _ in characters]
        start = max(0.0, (own[0] + 0.5 - half) / used_columns)
        end = min(1.0, (own[-1] + 0.5 + half) / used_columns)
        words.append(Word("".join(characters), sum(confidences) / len(confidences), start, end))
    if len(words) == 1:
        return [Word(words[0].text, words[0].score, 0.0, 1.0)]
    return words


def _advance(columns: list[int], used_columns: float) -> float:
    if len(columns) < 2:
        return used_columns
    return (columns[-1] - columns[0]) / (len(columns) - 1)


def _multiple(length: float) -> int:
    return max(DETECTOR_MULTIPLE, round(length / DETECTOR_MULTIPLE) * DETECTOR_MULTIPLE)


def _middle(box: np.ndarray) -> float:
    return float(box[:, 1].mean())


def _thickness(box: np.ndarray) -> float:
    return float(np.linalg.norm(box[0] - box[3]))
