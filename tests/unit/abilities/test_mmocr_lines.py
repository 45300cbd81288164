"""The geometry of abilities/mmocr: no models are loaded."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("cv2")

LINES = Path(__file__).parents[3] / "abilities" / "mmocr" / "lines.py"


@pytest.fixture(scope="module")
def lines() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mmocr_lines", LINES)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def box(left: float, top: float, right: float, bottom: float) -> Any:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


@pytest.mark.parametrize(
    "width, height",
    [(1, 1), (1, 65_000), (400_000, 1), (400_000, 100), (6_000, 6_000), (460, 276), (40, 2_000)],
)
def test_the_detector_gets_a_bounded_size(lines: ModuleType, width: int, height: int) -> None:
    detector_width, detector_height = lines.detector_size(width, height, 1_000_000)

    assert detector_width % 32 == detector_height % 32 == 0
    assert 32 <= detector_width <= 4096 and 32 <= detector_height <= 4096
    assert detector_width * detector_height < 1_100_000


def test_small_pictures_are_enlarged_and_large_ones_shrunk(lines: ModuleType) -> None:
    assert lines.detector_size(480, 240, 1_000_000) == (960, 480)
    assert lines.detector_size(4000, 1000, 1_000_000) == (1984, 512)


def test_scores_stay_with_their_boxes_in_reading_order(lines: ModuleType) -> None:
    found = [
        (box(0, 100, 50, 120), 0.3),
        (box(60, 4, 90, 24), 0.2),
        (box(0, 0, 50, 20), 0.1),
    ]

    ordered = lines.in_reading_order(found)

    assert [score for _, score in ordered] == [0.1, 0.2, 0.3]
    assert ordered[1][0][0].tolist() == [60, 4]


def test_a_line_is_split_at_blanks_with_each_words_own_score(lines: ModuleType) -> None:
    words = lines.split_words("ab c", [0.5, 1.0, 0.1, 0.8], [1, 3, 7], 10)

    assert [(word.text, word.score) for word in words] == [("ab", 0.75), ("c", 0.8)]
    assert 0 <= words[0].start < words[0].end < words[1].start < words[1].end <= 1


def test_a_line_without_blanks_stays_one_piece(lines: ModuleType) -> None:
    text = "雅典娜2号队列"

    words = lines.split_words(text, [0.9] * 7, [1, 7, 13, 19, 22, 28, 34], 36)

    assert [(word.text, word.start, word.end) for word in words] == [(text, 0, 1)]


def test_words_of_a_dense_line_stay_inside_it(lines: ModuleType) -> None:
    words = lines.split_words("a b c", [0.9] * 5, [2, 12, 30], 20)

    assert [word.text for word in words] == ["a", "b", "c"]
    assert all(0 <= word.start < word.end <= 1 for word in words)


def test_a_part_of_a_horizontal_line_lies_along_its_width(lines: ModuleType) -> None:
    part = lines.part_of(box(10, 20, 110, 40), 0.5, 1.0, is_vertical=False)

    assert part.tolist() == [[60, 20], [110, 20], [110, 40], [60, 40]]


def test_a_part_of_a_vertical_line_lies_along_its_height(lines: ModuleType) -> None:
    part = lines.part_of(box(10, 20, 30, 120), 0.0, 0.5, is_vertical=True)

    assert part.tolist() == [[10, 20], [30, 20], [30, 70], [10, 70]]


def test_a_vertical_line_is_laid_down(lines: ModuleType) -> None:
    picture = np.zeros((200, 100, 3), np.uint8)

    crop, is_vertical = lines.cut_out(picture, box(10, 20, 30, 120))

    assert is_vertical
    assert crop.shape == (20, 100, 3)
