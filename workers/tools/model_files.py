"""What the files of models say about how they compute."""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

#: In the names of the operators that choose a scale for int8 as they run: one for all inputs of a batch.
DYNAMIC = b"DynamicQuantize"

#: More files are hardly those of one ability.
MAX_FILES = 1000


def models_in(folder: Path) -> Iterator[Path]:
    """Returns the ONNX files in a folder and below it."""
    for count, path in enumerate(folder.rglob("*.onnx")):
        if count >= MAX_FILES:
            return
        yield path


def with_dynamic_quantisation(paths: Iterable[Path]) -> Iterator[Path]:
    """Returns those of the files that quantise activations as they run."""
    for path in paths:
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as model:
                if model.find(DYNAMIC) >= 0:
                    yield path
        # An empty file cannot be mapped, and one that cannot be read is told of by who opens it.
        except (OSError, ValueError):
            continue
