"""Outputs, printed and written to files."""

import json
from pathlib import Path
from typing import Any

import pytest

from athena.cli.call.showing import show
from athena.errors import ConfigError

OUTPUTS: dict[str, Any] = {"words": "hé", "boxes": [{"a": 1}], "drawing": b"\x89PNG"}


def test_texts_and_json_are_printed_and_data_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    show(OUTPUTS, [], as_json=False)

    said = capsys.readouterr().out
    assert said.startswith('words: hé\nboxes: [\n  {\n    "a": 1\n')
    assert said.endswith("drawing: 4 bytes; -o drawing=FILE writes them\n")


def test_json_has_base64_for_data(capsys: pytest.CaptureFixture[str]) -> None:
    show(OUTPUTS, [], as_json=True)

    assert json.loads(capsys.readouterr().out) == {**OUTPUTS, "drawing": "iVBORw=="}


def test_outputs_go_where_they_are_sent(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    picture, boxes = tmp_path / "a=b.png", tmp_path / "boxes.json"

    # The one that is data needs no name, unless its file's name has a sign of its own.
    show(OUTPUTS, [f"drawing={picture}", f"boxes={boxes}", "words=-"], as_json=True)

    assert (picture.read_bytes(), boxes.read_text()) == (b"\x89PNG", '[{"a": 1}]')
    assert capsysbinary.readouterr().out == "hé".encode()
    show(OUTPUTS, [str(tmp_path / "b.png")], as_json=True)
    assert (tmp_path / "b.png").read_bytes() == b"\x89PNG"
    show({"words": "a"}, ["-"], as_json=False)


@pytest.mark.parametrize(
    ("outputs", "target", "words"),
    [
        (OUTPUTS, "nothing=a.png", "no output 'nothing'; it has: words, boxes, drawing"),
        ({"a": "1", "b": "2"}, "a.txt", "say which output goes into a.txt: -o KEY=a.txt"),
        ({}, "a.txt", "there are: none"),
        (OUTPUTS, "words=/nowhere/a", "cannot write /nowhere/a"),
    ],
)
def test_what_cannot_be_written_is_told(outputs: dict[str, Any], target: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        show(outputs, [target], as_json=False)
