"""What an ability imports of others."""

from pathlib import Path

import pytest

from athena.ability.imports import foreign_imports


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A module beside the wrapper, and a package, which import something each."""
    (tmp_path / "mine.py").write_text("import scipy.linalg\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from . import part\n")
    (tmp_path / "pack" / "part.py").write_text("def late():\n    import torch\n")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import json, os.path", []),
        ("import numpy as np", ["wrapper.py:1 numpy"]),
        ("import numpy.linalg\nfrom numpy import array", ["wrapper.py:1 numpy"]),
        ("\ntry:\n    from PIL import Image\nexcept ImportError:\n    Image = None", ["wrapper.py:3 PIL"]),
        ("import mine", ["mine.py:1 scipy"]),
        ("from .mine import x", ["mine.py:1 scipy"]),
        ("from . import mine", ["mine.py:1 scipy"]),
        ("from pack import part", ["part.py:2 torch"]),
        ("import pack", ["part.py:2 torch"]),
        (
            "from athena.sdk import Response, onnx",
            ["wrapper.py:1 athena.sdk.Response", "wrapper.py:1 athena.sdk.onnx"],
        ),
        ("import celery,,", []),
    ],
)
def test_foreign_modules_are_found_in_all_files_that_are_imported(
    folder: Path, source: str, found: list[str]
) -> None:
    (folder / "wrapper.py").write_text(source)

    told = [f"{item.file.name}:{item.line} {item.module}" for item in foreign_imports(folder / "wrapper.py")]

    assert told == found
