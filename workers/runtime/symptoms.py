"""Errors after which a process is of no use any more, told by what they say. Pure.

A symptom is no verdict: the ability's example is asked at once, and decides. So a text that is found here by
chance costs one call.
"""

from athena.plain_text import class_name, one_line
from athena.sdk.errors import Broken

#: Texts, in small letters, of which each tells that later calls will fail too.
#:
#: The first are what `cudaGetErrorString` says of the errors 700, 702, 710 and 714 to 719, of which the
#: CUDA runtime's documentation ("Data types used by CUDA Runtime", `cudaError`) says that the process must be
#: terminated and relaunched, and of 214: the memory is bad. torch ("CUDA error: …"), onnxruntime ("CUDA
#: failure 700: …") and Paddle quote these texts; the names are those of the runtime and of the driver.
STICKY = (
    "uncorrectable ecc error encountered",
    "an illegal memory access was encountered",
    "the launch timed out and was terminated",
    "device-side assert triggered",
    "hardware stack error",
    "an illegal instruction was encountered",
    "misaligned address",
    "operation not supported on global/shared address space",
    "invalid program counter",
    "unspecified launch failure",
    "cudaerroreccuncorrectable",
    "cudaerrorillegaladdress",
    "cudaerrorlaunchtimeout",
    "cudaerrorassert",
    "cudaerrorlaunchfailure",
    "cuda_error_ecc_uncorrectable",
    "cuda_error_illegal_address",
    "cuda_error_launch_timeout",
    "cuda_error_assert",
    "cuda_error_launch_failed",
    # The context is gone, or was made in the parent of a fork.
    "context is destroyed",
    "cannot re-initialize cuda in forked subprocess",
    # What cuBLAS and cuDNN make of a sticky error of a kernel of theirs.
    "cublas_status_execution_failed",
    "cudnn_status_execution_failed",
    # Memory that does not come back. The example asks for little, so it tells this from an input too large.
    "cuda out of memory",
    "cudaerrormemoryallocation",
    "cuda_error_out_of_memory",
    "cublas_status_alloc_failed",
    "failed to allocate memory for requested buffer",
)


def symptom_of(error: BaseException) -> str:
    """Returns what an exception of a wrapper says that is known to stay, as one line; "" for any other."""
    # By its type: an odd exception may raise when it is asked for its `__class__`.
    if issubclass(type(error), Broken):
        return one_line(error)
    # The class may say it alone: `torch.OutOfMemoryError`.
    if class_name(error) in ("OutOfMemoryError", "MemoryError"):
        return one_line(error)
    return symptom_in(one_line(error))


def symptom_in(text: str) -> str:
    """Returns a text that holds what is known to stay; "" for any other."""
    small = text.lower()
    return text if any(sign in small for sign in STICKY) else ""
