"""Where a model is to run, and opening it there."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from athena.sdk.device import Device, current, note_cpu
from athena.sdk.onnx.copies import Copies
from athena.sdk.onnx.errors import ModelFileError, OnnxError
from athena.sdk.onnx.faults import why_unreadable
from athena.sdk.onnx.prepared import Prepared, give_back_memory
from athena.sdk.onnx.session import CPU, CUDA, OnnxSession, name_of

logger = logging.getLogger(__name__)

MIB = 1024 * 1024

#: What there is on a machine whose driver can be used; the second one under WSL.
DRIVER_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))

#: The default of cuDNN measures every algorithm anew for every size of input.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}

#: Which threads open a session by `open_session`, which has chosen its options.
_opening = threading.local()

_GPU_EXTRA = "pip install 'athena-serving[gpu]' in place of the extra cpu"


@dataclass(frozen=True)
class Choice:
    """Where a model is to run.

    Attributes:
        providers: for onnxruntime, in order of preference.
        obstacle: why it is not a GPU although onnxruntime or the worker is made for one; "" if nothing is
            odd.
    """

    providers: tuple[str, ...]
    obstacle: str = ""


def choose(device: Device, available: Iterable[str], has_driver: bool) -> Choice:
    """Returns where models are to run.

    Args:
        device: what the worker was given.
        available: the providers that onnxruntime was built with.
        has_driver: whether the machine has NVIDIA's driver.
    """
    can_use_cuda = CUDA in available
    if device.is_gpu:
        if can_use_cuda:
            return Choice((CUDA, CPU))
        return Choice((CPU,), f"this onnxruntime knows no CUDA: {_GPU_EXTRA}")
    if not can_use_cuda:
        return Choice((CPU,))
    if not has_driver:
        return Choice((CPU,), "onnxruntime is built for CUDA, but this machine has no NVIDIA driver")
    if device.gpu_type:
        return Choice((CPU,), "onnxruntime is built for CUDA, but this worker was given no GPU")
    return Choice((CUDA, CPU))


def open_session(
    path: str | Path | bytes,
    *,
    threads: int | None = None,
    memory_limit_mb: int | None = None,
    memory_share: float = 1.0,
    keeps_memory: bool = False,
    cuda_options: Mapping[str, str] | None = None,
    options: Any = None,
    custom_ops: Iterable[str | Path] = (),
    shares_weights: bool = True,
    warm_up: Mapping[str, Any] | Iterable[Mapping[str, Any]] = (),
) -> OnnxSession:
    """Opens a model, on the GPU if the worker has one.

    Args:
        path: the .onnx file, or its bytes.
        threads: of one inference on the CPU; 0 takes all cores, None what the worker was given.
        memory_limit_mb: GPU memory that the model may use, in MiB; 0 for all, None for what the worker was
            given.
        memory_share: the part of what the worker was given that this model may use, where a wrapper opens
            several.
        keeps_memory: whether memory on the CPU is kept between runs. That is faster for inputs of one size;
            for others, the largest one's memory is kept for ever.
        cuda_options: more options of onnxruntime's CUDA provider, or others than ours.
        options: session options of onnxruntime to begin with; what they say of threads stays.
        custom_ops: libraries of operators that the model needs.
        shares_weights: whether the ability's workers on this host's CPU, if there are several, map one copy
            of a model of 64 MiB or more (`ATHENA_CACHE_DIR`); not with options or operators of your own.
        warm_up: input name -> shape or value, for each run that is to be done now and not by the first job;
            one, or a list of them (see `OnnxSession.warm_up`).

    Raises:
        ModelFileError: the file is missing or damaged.
        OnnxError: onnxruntime is missing, a warm-up fails, or the model would run on the CPU although the
            ability does not allow that.
    """
    runtime = _runtime()
    model: Path | bytes = path if isinstance(path, bytes) else Path(path)
    if isinstance(model, Path) and not model.is_file():
        raise ModelFileError(f"model {model} is missing")
    device = current()
    new_options = partial(
        _session_options, runtime, device.threads if threads is None else threads, keeps_memory
    )
    chosen = new_options(options)
    for library in custom_ops:
        _register(chosen, Path(library), model)
    limit_mb = int(device.memory_limit_mb * memory_share) if memory_limit_mb is None else memory_limit_mb
    is_shared = shares_weights and options is None and not custom_ops
    cuda = {**cuda_settings(limit_mb), **(cuda_options or {})}
    raw = _open_where_it_runs(runtime, model, chosen, cuda, new_options if is_shared else None)
    give_back_memory()
    session = OnnxSession(raw, model if isinstance(model, Path) else None)
    for example in [warm_up] if isinstance(warm_up, Mapping) else warm_up:
        session.warm_up(example)
    return session


def _open_where_it_runs(
    runtime: Any,
    model: Path | bytes,
    options: Any,
    cuda: dict[str, str],
    new_options: Callable[[Any], Any] | None,
) -> Any:
    """Returns onnxruntime's session, on the GPU or on the CPU; warns of, or refuses, the latter.

    `new_options` makes options for a model whose weights may be shared; None for one of its own.
    """
    device = current()
    choice = choose(device, runtime.get_available_providers(), any(file.exists() for file in DRIVER_FILES))
    raw, obstacle = None, choice.obstacle
    if CUDA in choice.providers:
        load_cuda_libraries()
        raw, obstacle = _try_cuda(runtime, model, options, cuda)
    if obstacle:
        _report(model, obstacle, device)
    if raw is None and new_options is not None and isinstance(model, Path):
        raw = _open_shared(runtime, model, new_options)
    return raw if raw is not None else _open(runtime, model, options, [CPU])


def _open_shared(runtime: Any, model: Path, new_options: Callable[[Any], Any]) -> Any | None:
    """Returns a session that maps what other workers map; None where there is nothing to share."""
    folder = current().model_folder
    if not folder:
        return None
    prepared = Prepared(
        runtime,
        Copies(Path(folder)),
        lambda: new_options(None),
        lambda path, options: _open(runtime, path, options, [CPU]),
    )
    return prepared.session(model)


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise OnnxError(f"onnxruntime is missing: pip install 'athena-serving[cpu]' ({error})") from error
    return onnxruntime


def _session_options(runtime: Any, threads: int, keeps_memory: bool, given: Any) -> Any:
    options = given if given is not None else runtime.SessionOptions()
    if given is None or not options.intra_op_num_threads:
        options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = keeps_memory
    options.enable_mem_pattern = keeps_memory
    # Threads that spin while they wait take the cores from the workers next door.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _register(options: Any, library: Path, model: Path | bytes) -> None:
    try:
        options.register_custom_ops_library(str(library))
    except Exception as error:  # onnxruntime's error classes share no base
        raise OnnxError(
            f"operators of {name_of(model)} cannot be loaded: {why_unreadable(error, None)}"
        ) from error


def available_providers() -> list[str]:
    """Returns what onnxruntime was built with."""
    available: list[str] = _runtime().get_available_providers()
    return available


def memory_limit(limit_mb: int) -> dict[str, str]:
    """Returns the option of onnxruntime's CUDA provider that keeps a model within so many MiB; 0 for all."""
    return {"gpu_mem_limit": str(limit_mb * MIB)} if limit_mb else {}


def cuda_settings(limit_mb: int) -> dict[str, str]:
    """Returns the options of onnxruntime's CUDA provider for a worker that may use so many MiB."""
    return {"device_id": "0", **CUDA_OPTIONS, **memory_limit(limit_mb)}


def load_cuda_libraries() -> None:
    """Loads CUDA's libraries from where pip put them; onnxruntime alone asks the system only."""
    runtime = _runtime()
    if hasattr(runtime, "preload_dlls"):
        try:
            runtime.preload_dlls()
        # The system may have the libraries; if nobody has, opening the model says so.
        except Exception as error:
            logger.debug("CUDA's libraries were not loaded beforehand: %s", error)


def is_opening() -> bool:
    """Whether this thread is opening a session by `open_session`."""
    return getattr(_opening, "is_so", False)


def _try_cuda(runtime: Any, model: Path | bytes, options: Any, cuda: dict[str, str]) -> tuple[Any, str]:
    """Returns the session on the GPU, or what came instead (None for nothing), and why."""
    try:
        session = _open(runtime, model, options, [(CUDA, cuda), CPU])
    # A damaged file fails here as well; opening it for the CPU tells which it was.
    except ModelFileError as error:
        return None, f"CUDA cannot be used: {_first_line(error.__cause__ or error)}"
    if CUDA in session.get_providers():
        return session, ""
    return session, (
        "CUDA could not be started, onnxruntime's message above says why; "
        "its version must fit the driver's CUDA and cuDNN"
    )


def _open(runtime: Any, model: Path | bytes, options: Any, providers: list[Any]) -> Any:
    _opening.is_so = True
    try:
        # Without the fallback of its own, which prints a banner and tells the program nothing.
        given = model if isinstance(model, bytes) else str(model)
        return runtime.InferenceSession(given, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's error classes share no base
        why = why_unreadable(error, model if isinstance(model, Path) else None)
        raise ModelFileError(f"{name_of(model)} cannot be loaded ({why})") from error
    finally:
        _opening.is_so = False


class _Reported:
    """What was warned of in this process: once is enough, however many models are opened."""

    is_done = False


def _report(model: Path | bytes, obstacle: str, device: Device) -> None:
    """Warns that models run on the CPU, or refuses where that is not allowed.

    Raises:
        OnnxError: it is not allowed.
    """
    if not device.cpu_allowed:
        raise OnnxError(
            f"{name_of(model)} would run on the CPU, which gpu.types in ability.toml does not allow: "
            f"{obstacle}"
        )
    note_cpu()
    if not _Reported.is_done:
        _Reported.is_done = True
        logger.warning("models run on the CPU: %s", obstacle)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
