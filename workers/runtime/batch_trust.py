"""Whether a wrapper's batches can be relied on. Pure."""

import logging
from collections.abc import Callable
from enum import StrEnum

logger = logging.getLogger(__name__)

#: A batch that raises may hold one bad input. So many that raise in a row, though each of their jobs is
#: answered alone, are the method's own fault.
MAX_NEEDLESS = 3


class BatchFault(StrEnum):
    """How a call of wrapperBatchExec failed as a whole."""

    COUNT = "count"
    RAISED = "raised"


class BatchTrust:
    """What is known of one process' wrapperBatchExec.

    Args:
        on_lost: called with the reason when batches are run no more, once.

    Attributes:
        reason: why batches are run no more; "" while they are.
        fault: how the last batch failed; None if it did not.
        text: what was said of it.
    """

    def __init__(self, on_lost: Callable[[str], None]) -> None:
        self.reason = ""
        self.fault: BatchFault | None = None
        self.text = ""
        self._on_lost = on_lost
        self._needless = 0

    def note_whole(self) -> None:
        """A batch had an answer for each of its jobs."""
        self.fault, self.text, self._needless = None, "", 0

    def note_failed(self, fault: BatchFault, text: str, all_answered_alone: bool) -> None:
        """A batch failed as a whole, and its jobs were run alone."""
        self.fault, self.text = fault, text
        self._needless = self._needless + 1 if all_answered_alone else 0
        if fault is BatchFault.COUNT:
            self._lose(text)
        elif self._needless >= MAX_NEEDLESS:
            self._lose(
                f"{self._needless} batches in a row failed, and each of their jobs was answered alone: {text}"
            )

    def _lose(self, reason: str) -> None:
        if self.reason:
            return
        self.reason = reason
        logger.error("this process runs no more batches, each job has a call of its own: %s", reason)
        self._on_lost(reason)
