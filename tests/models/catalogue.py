"""Which models are served, and out of which packages."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.house import ROOT

FOLDER = Path(__file__).parent

#: Where packages are unpacked that nothing else needs.
PACKAGES = ROOT / ".tools" / "models"


@dataclass(frozen=True)
class Subject:
    """A model of a package.

    Attributes:
        name: of the file in `subjects/`, and of the ability.
        requirements: the packages, with their versions; none for one that is installed with Athena.
    """

    name: str
    requirements: tuple[str, ...] = ()


SUBJECTS = (
    Subject("files", ("magika==1.0.3",)),
    Subject("captchas", ("ddddocr==1.6.1",)),
    Subject("targets", ("ddddocr==1.6.1",)),
    Subject("lines"),
)


def install(subjects: tuple[Subject, ...] = SUBJECTS) -> None:
    """Puts packages into a folder of their own, so that the environment stays as it is."""
    wanted = sorted({item for subject in subjects for item in subject.requirements})
    missing = [item for item in wanted if not (PACKAGES / f"{item}.is-there").exists()]
    if not missing:
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--only-binary", ":all:", "--target", str(PACKAGES), *missing], check=True)
    for item in missing:
        (PACKAGES / f"{item}.is-there").touch()


def lay_out(subject: Subject, folder: Path) -> Path:
    """Returns the folder of an ability that serves a model."""
    ability = folder / subject.name
    ability.mkdir()
    shutil.copy(FOLDER / "wrapper.py", ability)
    shutil.copy(FOLDER / "subjects" / f"{subject.name}.py", ability / "subject.py")
    shutil.copy(FOLDER / "subjects" / "pictures.py", ability)
    return ability
