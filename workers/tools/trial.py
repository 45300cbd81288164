"""Runs a small model and tells what computed it: `python -m workers.tools.trial`, for `athena doctor`.

A process of its own, because a driver or a CUDA library in trouble may hang or end the process. The device is
the one that `CUDA_VISIBLE_DEVICES` names, as for a worker. It writes one JSON object: a `Trial`.
"""

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import pybase64

from athena.sdk.onnx import CPU, CUDA, CUDA_OPTIONS
from workers.tools.describe import end_process, real_stdout

#: One convolution and a ReLU in ONNX, so that cuDNN is needed and not CUDA alone; the tests make it anew.
MODEL = pybase64.b64decode(
    "CAg6lQEKDwoBeAoBdxIBYyIEQ29udgoMCgFjEgF5IgRSZWx1EgV0cmlhbCozCAEIAQgDCAMQASIkAACAPwAAgD8AAIA/AACAPwAAgD8AAIA/"
    "AACAPwAAgD8AAIA/QgF3WhsKAXgSFgoUCAESEAoCCAEKAggBCgIICAoCCAhiGwoBeRIWChQIARIQCgIIAQoCCAEKAggGCgIIBkIECgAQDQ=="
)

#: The side of the square that goes in, and of the one that comes out: sums over 3 x 3.
SIDE_IN, SIDE_OUT = 8, 6


@dataclass(frozen=True)
class Trial:
    """How the model fared.

    Attributes:
        version: of onnxruntime; "" where there is none.
        available: the providers that it was built with.
        used: those that computed the model's nodes, as onnxruntime's profile of the run says.
        is_right: whether the answer is the right one.
        took_ms: the first run's time, loading apart.
        error: why there is no answer; "" if there is one.
    """

    version: str = ""
    available: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    is_right: bool = False
    took_ms: float = 0.0
    error: str = ""


def run_trial(wants_gpu: bool) -> Trial:
    """Runs the model, with `wants_gpu` on CUDA where onnxruntime knows it, else on the CPU."""
    try:
        import onnxruntime
    except Exception as error:  # a broken installation raises anything
        return Trial(error=f"onnxruntime cannot be imported: {_first_line(error)}")
    version, available = str(onnxruntime.__version__), tuple(onnxruntime.get_available_providers())
    try:
        with tempfile.TemporaryDirectory() as folder:
            used, is_right, took_ms = _run(onnxruntime, wants_gpu and CUDA in available, Path(folder))
    except Exception as error:  # onnxruntime's error classes share no base
        return Trial(version, available, error=_first_line(error))
    return Trial(version, available, used, is_right, took_ms)


def _run(runtime: Any, tries_cuda: bool, folder: Path) -> tuple[tuple[str, ...], bool, float]:
    """Returns what computed the model, whether its answer is right, and the time it took in milliseconds."""
    import numpy

    options = runtime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    providers: list[Any] = [(CUDA, dict(CUDA_OPTIONS))] if tries_cuda else []
    if tries_cuda and hasattr(runtime, "preload_dlls"):
        runtime.preload_dlls()
    # Without the fallback of its own, which would hide why CUDA does not start.
    session = runtime.InferenceSession(MODEL, options, providers=[*providers, CPU], enable_fallback=0)
    given = numpy.arange(SIDE_IN * SIDE_IN, dtype="float32").reshape(1, 1, SIDE_IN, SIDE_IN)
    began_s = time.perf_counter()
    (found,) = session.run(None, {"x": given})
    took_ms = (time.perf_counter() - began_s) * 1000
    # The sum over 3 x 3 is nine times its middle, and exact in whichever format a GPU computes.
    wanted = 9 * given[:, :, 1:-1, 1:-1]
    is_right = found.shape == wanted.shape and bool(numpy.allclose(found, wanted))
    return _providers_in(Path(session.end_profiling())), is_right, round(took_ms, 3)


def _providers_in(profile: Path) -> tuple[str, ...]:
    """Returns which providers ran nodes.

    What a session lists under its providers were only asked for; each node's is in the events of the profile.
    """
    events = orjson.loads(profile.read_bytes())
    return tuple(
        sorted({event["args"]["provider"] for event in events if event.get("args", {}).get("provider")})
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def main() -> int:
    """Writes how the trial went; returns the exit status."""
    # Libraries print what they like; it must not end up in the answer.
    with real_stdout() as descriptor:
        told = orjson.dumps(asdict(run_trial(bool(os.environ.get("CUDA_VISIBLE_DEVICES")))))
        with open(descriptor, "wb", closefd=False) as output:
            output.write(told)
    return 0


if __name__ == "__main__":
    end_process(main())
