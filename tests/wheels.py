"""Wheels of toy packages, made on the spot: pip installs them without an index."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path, name: str, version: str, requires: Sequence[str] = ()) -> Path:
    """Writes a wheel whose one module says its version; returns where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    described = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"__version__ = {version!r}\n",
        f"{described}/METADATA": metadata + "".join(f"Requires-Dist: {item}\n" for item in requires),
        f"{described}/WHEEL": WHEEL,
    }
    record = "".join(f"{item},,\n" for item in (*files, f"{described}/RECORD"))
    with zipfile.ZipFile(path, "w") as wheel:
        for item, text in files.items():
            wheel.writestr(item, text)
        wheel.writestr(f"{described}/RECORD", record)
    return path
