"""What ONNX Runtime says of models and runs, as records of the log: with the ability and the job, uncoloured.

By itself it writes to the descriptor of standard error, past everything that makes lines of this process.
"""

import logging
from types import ModuleType

logger = logging.getLogger("onnxruntime")

#: The runtime's severities, from verbose to fatal.
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

#: From where on it speaks by itself.
WARNING = 2


def take_lines(module: ModuleType) -> None:
    """Has ONNX Runtime hand its lines to the log; one that is too old for that writes them itself.

    It still writes those of threads of its own, which are none of Python's.
    """
    register = getattr(getattr(module, "C", None), "set_default_logger_callback", None)
    if register is not None:
        register(_log, WARNING)


def _log(severity: int, category: str, session: str, place: str, text: str) -> None:
    """Logs a line, in the thread that runs the model: so it is of the job that this thread is about.

    Args:
        severity: from 0 on, verbose.
        category: whose line it is.
        session: what its code has named it; "" for nearly all.
        place: in the runtime's source.
        text: what it says.
    """
    level = LEVELS[min(max(severity, 0), len(LEVELS) - 1)]
    logger.log(level, "%s%s [%s]", f"{session}: " if session else "", text, place)
