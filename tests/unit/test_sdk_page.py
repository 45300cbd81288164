"""The examples of docs/sdk.md run, and print what they say; each name of the SDK has one."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from athena import sdk
from athena.sdk import device
from tests.house import ROOT
from tests.pages.sdk import SECTIONS, find
from tests.pages.sdk_examples import EXAMPLES

MODEL = ROOT / "examples" / "digits" / "model.onnx"
SHOWN = [name for names in SECTIONS.values() for name in names]


@pytest.fixture(autouse=True)
def no_device() -> Iterator[None]:
    yield
    device.assign(device.Device())


def test_every_name_of_the_sdk_is_shown() -> None:
    modules = {name.partition(".")[0] for name in SHOWN if "." in name}

    assert set(sdk.__all__) == {name for name in SHOWN if "." not in name} | (modules & set(sdk.__all__))
    assert EXAMPLES.keys() == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_example_names_what_it_is_about(name: str) -> None:
    assert find(name)
    assert name.rpartition(".")[2] in EXAMPLES[name]


@pytest.mark.parametrize("name", SHOWN)
def test_example_prints_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODEL, tmp_path)

    exec(compile(EXAMPLES[name], name, "exec"), {"__name__": "wrapper"})

    said = re.findall(r"^ *print\(.*\)  # (.*)$", EXAMPLES[name], re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == said
    assert len(said) == EXAMPLES[name].count("print(")
