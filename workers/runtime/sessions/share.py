"""Gives ONNX sessions that packages open by themselves the worker's share of the host.

By itself each of them takes all cores, and its threads spin while they wait, which takes the cores from the
workers next door; on a GPU, it takes all memory.
"""

import functools
import importlib.machinery
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from athena.sdk import device, onnx
from athena.sdk.onnx.prepared import is_writing
from workers.runtime.sessions.lines import take_lines

logger = logging.getLogger(__name__)

#: Where ONNX Runtime defines its class.
MODULE = "onnxruntime.capi.onnxruntime_inference_collection"

SPINNING = "session.intra_op.allow_spinning"


def model_folder(cache: Path | None, peers: int) -> str:
    """Returns where copies of large models are that several processes of an ability share; "" for nowhere.

    Args:
        cache: what this host may make again is below it; None for nowhere.
        peers: how many processes of the ability compute on this host's CPU.
    """
    return str(cache / "models") if cache is not None and peers > 1 else ""


@dataclass(frozen=True)
class OpenedSession:
    """A session as it was opened.

    Attributes:
        path: the model's file; "" for one from memory.
        threads: for one run; 0 for as many as there are cores.
        spins: whether its threads spin while they wait.
        providers: what runs it, the preferred one first.
    """

    path: str
    threads: int
    spins: bool
    providers: tuple[str, ...]

    def __str__(self) -> str:
        threads = {0: "all cores", 1: "1 thread"}.get(self.threads, f"{self.threads} threads")
        places = ", ".join(name.removesuffix("ExecutionProvider") for name in self.providers)
        name = os.path.basename(self.path) or "a model from memory"
        return f"{name}: {threads}{', spinning' if self.spins else ''}, {places}"


class SessionShare:
    """Looks after the sessions of this process, whoever opens them.

    Args:
        gives_share: whether those that are opened without `open_session` get the worker's share, as far as
            their code does not ask otherwise; else they are only noted.

    Attributes:
        opened: them, in their order.
    """

    def __init__(self, gives_share: bool = True) -> None:
        self.opened: list[OpenedSession] = []
        self._gives_share = gives_share

    def install(self) -> None:
        """Begins; for the whole life of the process, and before a wrapper is imported."""
        module = sys.modules.get(MODULE)
        if module is not None:
            self.adopt(module)
        else:
            sys.meta_path.insert(0, _Finder(self))

    def adopt(self, module: ModuleType) -> None:
        """Changes how ONNX Runtime's class opens sessions, and where its lines go."""
        take_lines(module)
        session_class = getattr(module, "InferenceSession", None)
        if session_class is None:
            return
        plain = session_class.__init__

        @functools.wraps(plain)
        def opening(
            session: Any,
            path_or_bytes: Any,
            sess_options: Any = None,
            providers: Any = None,
            provider_options: Any = None,
            **named: Any,
        ) -> None:
            if self._gives_share and not onnx.is_opening():
                sess_options = _with_share(module, sess_options)
                providers = _with_gpu(sess_options, providers, provider_options)
            plain(session, path_or_bytes, sess_options, providers, provider_options, **named)
            if not is_writing():
                self._note(session, path_or_bytes, sess_options)

        session_class.__init__ = opening

    def _note(self, session: Any, model: Any, options: Any) -> None:
        path = os.fspath(model) if isinstance(model, str | os.PathLike) else ""
        threads = options.intra_op_num_threads if options is not None else 0
        spins = options is None or _entry(options, SPINNING) != "0"
        self.opened.append(OpenedSession(str(path), threads, spins, tuple(session.get_providers())))


def _with_share(module: ModuleType, given: Any) -> Any:
    """Returns options with what the code did not ask for; its own object, which may be told more later."""
    options = given if given is not None else module.C.SessionOptions()
    threads = device.current().threads
    if threads and not options.intra_op_num_threads:
        options.intra_op_num_threads = threads
    # Used by parallel execution alone.
    if threads and not options.inter_op_num_threads:
        options.inter_op_num_threads = threads
    if _entry(options, SPINNING) is None:
        options.add_session_config_entry(SPINNING, "0")
    return options


def _entry(options: Any, name: str) -> str | None:
    try:
        value: str = options.get_session_config_entry(name)
    except RuntimeError:
        return None
    return value


def _with_gpu(options: Any, providers: Any, provider_options: Any) -> Any:
    """Returns the providers: CUDA within the worker's memory where it has a GPU and the code names none."""
    current = device.current()
    if not current.is_gpu or provider_options or onnx.CUDA not in onnx.available_providers():
        return providers
    onnx.load_cuda_libraries()
    if providers:
        return [_limited(item, current.memory_limit_mb) for item in providers]
    if options.has_providers():
        return providers
    return [(onnx.CUDA, onnx.cuda_settings(current.memory_limit_mb)), onnx.CPU]


def _limited(provider: Any, limit_mb: int) -> Any:
    name, settings = (provider, {}) if isinstance(provider, str) else provider
    if name != onnx.CUDA:
        return provider
    return name, {**onnx.memory_limit(limit_mb), **settings}


class _Finder:
    """Adopts ONNX Runtime when somebody imports it."""

    def __init__(self, share: SessionShare) -> None:
        self._share = share

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """Returns where the module is, as other finders say, with a loader that adopts it."""
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            self._share.adopt(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
