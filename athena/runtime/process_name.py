"""What a process is called where operators look for processes (`top`, `pgrep`, `ps -o comm`)."""

import ctypes
import sys

_PR_SET_NAME = 15

#: The kernel keeps so many bytes of a name.
MAX_BYTES = 15


def name_process(name: str) -> None:
    """Names this process and the threads that it starts from now on.

    Its command line stays: to write over that, libraries move the environment, by which orphans are found.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:MAX_BYTES], 0, 0, 0)
