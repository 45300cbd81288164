"""The files of the page, with the types that a browser needs."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """A file that a browser asks for."""

    data: bytes
    content_type: str


def load_assets() -> dict[str, Asset]:
    """Returns all files that are sent, by their paths: `index.html`, `static/app.js`."""
    return {
        path.relative_to(FOLDER).as_posix(): Asset(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }
