"""The process that tells of edited files, as the supervisor sees it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from athena.supervisor.child import TellingChild
from athena.supervisor.programs import EDITS


class EditWatch(TellingChild):
    """Tells which files of some folders were edited.

    Args:
        folders: those that are watched, with all that is below.
        on_edits: called with the files that were edited together.
    """

    is_restartable = False
    # Workers serve without it.
    is_needed = False
    is_optional = True

    def __init__(self, folders: Sequence[Path], on_edits: Callable[[list[Path]], None]) -> None:
        super().__init__("edit watch", grace_s=2)
        self._folders = folders
        self._on_edits = on_edits
        self._watches = False

    def command(self) -> Sequence[str]:
        """Returns the command line."""
        return (*EDITS, *map(str, self._folders))

    def check_ready(self) -> bool:
        """Whether it watches."""
        self._hear()
        return self._watches

    def on_tick(self, now_s: float) -> None:
        """Hands on what it tells."""
        self._hear()

    def _hear(self) -> None:
        for line in self.read_lines():
            # Whoever reads it: a tick may come before anybody asks whether it is ready.
            self._watches = True
            paths = [Path(text) for text in json.loads(line)]
            if paths:
                self._on_edits(paths)
