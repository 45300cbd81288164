"""How many threads numerical libraries start: each reads a variable when it is imported."""

from collections.abc import Mapping

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    # OpenCV, and libraries in Rust, such as tokenizers.
    "OPENCV_FOR_THREADS_NUM",
    "RAYON_NUM_THREADS",
)


def thread_variables(threads: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that divide the cores among processes.

    Args:
        threads: of this process; 0 sets none.
        environ: numbers that an operator has set there stay.
    """
    return {name: str(threads) for name in VARIABLES if name not in environ} if threads else {}
