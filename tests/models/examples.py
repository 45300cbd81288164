"""The packages of the examples in examples/ whose models they carry: those that the catalogue pins."""

from tests.house import ROOT
from tests.models.catalogue import PACKAGES, SUBJECTS, install

#: Example -> the subject of the same package.
SAME = {"filetypes": "files", "speech": "native_voice", "vectors": "vectors"}


def environment() -> dict[str, str]:
    """Installs the packages; returns variables with which they are there, as in an image.

    So no environment is made of the examples' requirements.txt.
    """
    install(subject for subject in SUBJECTS if subject.name in SAME.values())
    return {"PYTHONPATH": str(PACKAGES)}


def requirements(example: str) -> list[str]:
    """Returns what an example asks for."""
    return (ROOT / "examples" / example / "requirements.txt").read_text(encoding="utf-8").split()
