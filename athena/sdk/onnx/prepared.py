"""How ONNX Runtime makes a copy of a model whose weights can be mapped, and how it opens one.

A session by itself reads the file and lays the weights out anew for the processor, in memory of its own. Here
they are written down as laid out, once, and each session maps them: the kernel holds them once for all.
"""

import contextlib
import ctypes
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from athena.sdk.onnx.copies import Copies
from athena.sdk.onnx.identity import processor

logger = logging.getLogger(__name__)

#: Smaller tensors stay in the model's own file.
MIN_TENSOR_BYTES = 1024


#: Which threads write a copy.
_writing = threading.local()


def is_writing() -> bool:
    """Whether this thread opens a session only to write down what it made of its model."""
    return getattr(_writing, "is_so", False)


class Prepared:
    """The copies that sessions of this process open.

    Args:
        runtime: ONNX Runtime.
        copies: where they are.
        options: returns new session options.
        open: opens a file with session options.
    """

    def __init__(
        self,
        runtime: Any,
        copies: Copies,
        options: Callable[[], Any],
        open: Callable[[Path, Any], Any],
    ) -> None:
        self._runtime = runtime
        self._copies = copies
        self._options = options
        self._open = open

    def session(self, model: Path) -> Any | None:
        """Returns a session that maps its weights; None where the model is to be opened as it is."""
        recipe = f"onnxruntime {self._runtime.__version__}, {processor()}"
        copy = self._copies.of(model, recipe, lambda path: self._write(model, path))
        if copy is None:
            return None
        options = self._options()
        # It was optimised when it was written; a second time would lay weights out anew.
        options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            return self._open(copy, options)
        except Exception as error:  # onnxruntime's error classes share no base
            logger.warning("the weights of %s are not shared: %s", model, error)
            self._copies.drop(copy)
            return None

    def _write(self, model: Path, path: Path) -> None:
        options = self._options()
        options.optimized_model_filepath = str(path)
        for name, value in (
            ("session.optimized_model_external_initializers_file_name", f"{path.name}.weights"),
            ("session.optimized_model_external_initializers_min_size_in_bytes", str(MIN_TENSOR_BYTES)),
            ("session.save_external_prepacked_constant_initializers", "1"),
        ):
            options.add_session_config_entry(name, value)
        _writing.is_so = True
        try:
            self._open(model, options)
        except Exception as error:
            raise OSError(str(error)) from error
        finally:
            _writing.is_so = False
        give_back_memory()


def give_back_memory() -> None:
    """Gives the system back what was freed; the C library keeps what a model was read into."""
    # Other C libraries have no such function.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
