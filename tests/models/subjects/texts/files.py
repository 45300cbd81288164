"""What kind of file bytes are: magika."""

from typing import Any

from magika import Magika

#: What it is given.
INPUTS = (
    b"import os\n\nprint(os.getcwd())\n" * 40,
    b'{"a": [1, 2, 3], "b": null}\n' * 30,
    b"#!/bin/sh\nset -e\necho hello\n" * 30,
    b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" * 10,
)


def load() -> Any:
    return Magika()


def answer(model: Any, data: bytes) -> Any:
    found = model.identify_bytes(data)
    return {"label": str(found.output.label), "score": float(found.score)}
