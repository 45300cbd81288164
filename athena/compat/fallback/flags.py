"""The object that wrappers of the first generation log with: `flags.logger.info(text, flush=True)`."""

import logging
from typing import Any


class FlagsLogger:
    """A logger whose methods take `print`'s keywords, and ignore them."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("wrapper")

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._logger, name)
        if not callable(method):
            return method

        def call(*arguments: Any, flush: bool = False, end: str = "", sep: str = " ", **options: Any) -> Any:
            return method(*arguments, **options)

        return call


logger = FlagsLogger()
