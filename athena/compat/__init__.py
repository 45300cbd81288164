"""The import paths of the original SDK (`aiges`, `aiges_embed`), leading to `athena.sdk`.

A wrapper may find the original package installed, or a copy of it beside itself. It runs with ours all the
same, because the results that it hands in have to reach this worker.
"""

import importlib.abc
import importlib.machinery
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent

#: Top-level modules that come from here.
NAMES = ("aiges", "aiges_embed")

#: Modules that come from here unless there are others of their name.
FALLBACK_NAMES = ("flags", "iflags")


class CompatFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of this folder, whatever lies on `sys.path`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns where a module of ours is; None for all others."""
        # Python looks for the modules of a package in the package's own folder.
        if fullname not in NAMES:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, [str(FOLDER)], target)


class FallbackFinder(importlib.abc.MetaPathFinder):
    """Finds modules that nobody else has found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns where a module of ours is; None for all others."""
        if fullname not in FALLBACK_NAMES:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, [str(FOLDER / "fallback")], target)


def install_finder() -> None:
    """Makes the names lead here from now on; what was imported from elsewhere before is dropped."""
    if not any(isinstance(finder, CompatFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, CompatFinder())
        sys.meta_path.append(FallbackFinder())
    # What was imported before would be found without asking any finder.
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in NAMES and not _is_ours(module):
            logger.warning("the module %s of %s is not used: wrappers run with ours", name, module.__file__)
            del sys.modules[name]


def _is_ours(module: ModuleType) -> bool:
    # The file of a folder that was imported without an `__init__.py` is None.
    return Path(getattr(module, "__file__", None) or "").is_relative_to(FOLDER)
