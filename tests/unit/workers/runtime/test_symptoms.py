"""Errors that are known to stay."""

import pytest

from athena.sdk import Broken
from workers.runtime.symptoms import symptom_in, symptom_of

#: As torch, onnxruntime and Paddle print them.
STAYS = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaMemcpyAsync()",
    "CUDA error(719), unspecified launch failure.",
    "CUDA out of memory. Tried to allocate 20.00 MiB",
    "Failed to allocate memory for requested buffer of size 1048576",
    "CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED",
]


@pytest.mark.parametrize("text", STAYS)
def test_error_that_stays_is_known(text: str) -> None:
    assert symptom_of(RuntimeError(text)) == f"RuntimeError: {text}"
    assert symptom_in(f"{text};code=700") == f"{text};code=700"


def test_wrapper_may_say_it_itself() -> None:
    class LicenceError(Broken):
        pass

    assert symptom_of(Broken("the licence is lost")) == "Broken: the licence is lost"
    assert symptom_of(LicenceError("it is lost")) == "LicenceError: it is lost"


def test_class_may_say_it_alone() -> None:
    class OutOfMemoryError(Exception):
        pass

    assert symptom_of(OutOfMemoryError()) == "OutOfMemoryError"
    assert symptom_of(MemoryError()) == "MemoryError"


def test_other_errors_are_no_symptoms() -> None:
    assert symptom_of(ValueError("the picture cannot be read")) == ""
    assert symptom_in("10163: no face was found") == ""
