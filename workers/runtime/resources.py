"""Personalised resources (`header.res_id`): loaded when a job first names one, unloaded for room."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from athena.errors import WrapperError
from athena.plain_text import one_line, text_of
from athena.sdk.data import DataListCls, DataListNode

logger = logging.getLogger(__name__)

LOAD_FAILED = 10903


@dataclass
class _Loaded:
    name: Any
    users: int = 0


class Resources:
    """The personalised resources that a wrapper has loaded.

    Args:
        load: wrapperLoadRes of (inputs, id); a code that is not 0 is an error.
        unload: wrapperUnloadRes of (id).
        folder: a resource is the file, or the folder of files, of its name in here. Without one, the wrapper
            gets no data and has to find the resource itself.
        max_loaded: how many may be loaded at once; those in use do not count as too many.
    """

    def __init__(
        self,
        load: Callable[[DataListCls, Any], Any],
        unload: Callable[[Any], Any],
        folder: Path,
        max_loaded: int,
    ) -> None:
        self._load = load
        self._unload = unload
        self._folder = folder
        self._max_loaded = max_loaded
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._lock = threading.RLock()

    @contextmanager
    def use(self, resource_id: str) -> Iterator[Any]:
        """Yields what the wrapper knows the resource by: its id, as a number where it is one.

        Raises:
            WrapperError: it could not be loaded.
        """
        with self._lock:
            # Loaded under the lock, so that two jobs which name it at once do not load it twice.
            loaded = self._loaded.get(resource_id) or self._bring_in(resource_id)
            self._loaded.move_to_end(resource_id)
            loaded.users += 1
        try:
            yield loaded.name
        finally:
            with self._lock:
                loaded.users -= 1

    def close(self) -> None:
        """Unloads all."""
        with self._lock:
            while self._loaded:
                self._drop(next(iter(self._loaded)))

    def _bring_in(self, resource_id: str) -> _Loaded:
        name = int(resource_id) if resource_id.isdecimal() else resource_id
        self._make_room()
        try:
            code = self._load(read_resource(self._folder, resource_id), name)
            if not code:
                return self._loaded.setdefault(resource_id, _Loaded(name))
        except BaseException as error:
            logger.exception("wrapperLoadRes(%r) raised", resource_id)
            text = f"resource {resource_id!r} cannot be loaded: {one_line(error)}"
            raise WrapperError(text, code=LOAD_FAILED) from None
        text = f"resource {resource_id!r} cannot be loaded: wrapperLoadRes returned {text_of(code)}"
        raise WrapperError(text, code=LOAD_FAILED)

    def _make_room(self) -> None:
        idle = [resource_id for resource_id, loaded in self._loaded.items() if not loaded.users]
        for resource_id in idle[: max(0, len(self._loaded) - self._max_loaded + 1)]:
            self._drop(resource_id)

    def _drop(self, resource_id: str) -> None:
        loaded = self._loaded.pop(resource_id)
        try:
            self._unload(loaded.name)
        except BaseException:
            logger.exception("wrapperUnloadRes(%r) raised", resource_id)


def read_resource(folder: Path, resource_id: str) -> DataListCls:
    """Returns a resource's files as inputs named after them; an id that is not a name finds none."""
    path = folder / resource_id
    # The caller chooses the id, and it must not lead out of the folder.
    if path.parent != folder or resource_id in (".", ".."):
        return DataListCls([])
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return DataListCls([DataListNode(file.name, file.read_bytes()) for file in files if file.is_file()])
