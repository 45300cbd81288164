"""What the answers of NVIDIA's driver mean: no answer, a number that stands for none, a GPU that is lost."""

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

T = TypeVar("T")

MIB = 1024 * 1024

#: What pynvml raises where there is no answer: the driver's errors, its own, and names that are no text.
NO_ANSWER = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError, UnicodeDecodeError)

#: Answers that say nothing of a GPU's health: the question is not known to the driver, or not for this GPU.
_UNKNOWN_QUESTION = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    }
)

#: With all bits set, a number means that the driver does not know it.
_UNKNOWN_NUMBERS = frozenset({2**32 - 1, 2**64 - 1})

_OFF_THE_BUS = "it has fallen off the bus; the host must be restarted"


class Questions:
    """Asks one GPU; remembers the first answer that speaks against its health."""

    def __init__(self) -> None:
        self.problem = ""

    def ask(self, function: Callable[..., T], *args: Any) -> T | None:
        """Returns the driver's answer; None if it has none, which only counts if the GPU is lost."""
        try:
            return function(*args)
        except NO_ANSWER as error:
            self.problem = self.problem or lost(error)
            return None

    def ask_vital(self, function: Callable[..., T], *args: Any) -> T | None:
        """As `ask`, for what a driver can tell of every GPU that works, if it knows the question."""
        try:
            return function(*args)
        except NO_ANSWER as error:
            if getattr(error, "value", None) not in _UNKNOWN_QUESTION:
                self.problem = self.problem or lost(error) or f"the driver does not read it: {text_of(error)}"
            return None


def answer_or(default: T, function: Callable[..., T], *args: Any) -> T:
    """Returns the driver's answer, or `default` if it has none."""
    try:
        return function(*args)
    except NO_ANSWER:
        return default


def number(value: int | None) -> int | None:
    """Returns a number that the driver told, None if it stands for an unknown one."""
    return None if value in _UNKNOWN_NUMBERS else value


def memory_mib(memory: Any) -> tuple[int, int]:
    """Returns all memory and what is free of it, in MiB; zeros if the driver does not tell."""
    if memory is None or number(memory.total) is None or number(memory.free) is None:
        return 0, 0
    return memory.total // MIB, memory.free // MIB


def lost(error: Any) -> str:
    """Returns why a GPU is lost, if that is what an error says; else ""."""
    code = getattr(error, "value", None)
    if code == pynvml.NVML_ERROR_GPU_IS_LOST:
        return _OFF_THE_BUS
    if code == pynvml.NVML_ERROR_RESET_REQUIRED:
        return "it must be reset"
    return ""


def text_of(error: Exception) -> str:
    """Returns an error in words; some drivers' words are no text."""
    try:
        return str(error)
    except UnicodeDecodeError:
        return f"error {getattr(error, 'value', '?')}"
