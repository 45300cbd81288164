"""The wheel of the Athena that runs, made of what is installed: an image gets this version and no other."""

import base64
import hashlib
import importlib.util
import io
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from athena.errors import ConfigError

DISTRIBUTION = "athena-serving"

#: What a wheel may not be older than, and what all files in it are from: the same files make the same wheel.
EPOCH = (1980, 1, 1, 0, 0, 0)

_WHEEL = "Wheel-Version: 1.0\nGenerator: athena\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def own_wheel() -> tuple[str, bytes]:
    """Returns the file name and the bytes of a wheel of what is running.

    Nothing is built or fetched: this works without a package index, and for a checkout too.

    Raises:
        ConfigError: Athena was never installed, so nobody knows what it needs.
    """
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        raise ConfigError(f"{DISTRIBUTION} is not installed here: pip install it, or make install") from None
    stem = f"{DISTRIBUTION.replace('-', '_')}-{found.version}"
    files = _modules(found) | _description(found, f"{stem}.dist-info")
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in sorted(files.items())]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    return f"{stem}-py3-none-any.whl", _zipped(files)


def _modules(found: Distribution) -> dict[str, bytes]:
    folders = {name: _folder(name) for name in (found.read_text("top_level.txt") or "").split()}
    files = {}
    for name, folder in folders.items():
        others = [other for other in folders.values() if other != folder and other.is_relative_to(folder)]
        for path in sorted(folder.rglob("*")):
            is_ours = not any(path.is_relative_to(other) for other in others)
            if is_ours and path.is_file() and "__pycache__" not in path.parts:
                files[f"{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    return files


def _folder(package: str) -> Path:
    # Only looked for: to load them all would cost a second.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"{DISTRIBUTION} is not installed here as a whole: {package} is missing")
    return Path(spec.submodule_search_locations[0]).resolve()


def _description(found: Distribution, folder: str) -> dict[str, bytes]:
    texts = {
        # Beside a checkout lies an egg-info, which calls it so.
        "METADATA": found.read_text("METADATA") or found.read_text("PKG-INFO") or "",
        "WHEEL": _WHEEL,
        "entry_points.txt": found.read_text("entry_points.txt") or "",
        "top_level.txt": found.read_text("top_level.txt") or "",
    }
    return {f"{folder}/{name}": text.encode() for name, text in texts.items()}


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _zipped(files: dict[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return plain.getvalue()


def write_own_wheel(folder: Path) -> Path:
    """Writes the wheel into a folder, and returns where it is.

    Raises:
        ConfigError: see `own_wheel`.
    """
    name, data = own_wheel()
    (folder / name).write_bytes(data)
    return folder / name
