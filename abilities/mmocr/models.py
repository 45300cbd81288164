"""Loads RapidOCR's model files into ONNX Runtime; nothing is ever downloaded."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import rapidocr

MODELS_FOLDER = Path(rapidocr.__file__).parent / "models"
DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"
CLASSIFIER = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

logger = logging.getLogger(__name__)


class ModelError(RuntimeError):
    """A model file cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class Models:
    """What reading a picture takes.

    Attributes:
        detector: finds lines of text.
        recogniser: reads a line.
        characters: what the recogniser can read.
        classifier: tells lines that are upside down; None leaves them so.
    """

    detector: onnxruntime.InferenceSession
    recogniser: onnxruntime.InferenceSession
    characters: tuple[str, ...]
    classifier: onnxruntime.InferenceSession | None = None


def load_models(folder: Path, threads: int, with_classifier: bool) -> Models:
    """Loads the models of `folder`.

    Args:
        folder: where RapidOCR's model files lie.
        threads: of one inference on the CPU; 0 lets ONNX Runtime take all cores.
        with_classifier: whether upside-down lines shall be told.

    Raises:
        ModelError: a file is missing or damaged.
    """
    preload_cuda()
    recogniser = open_session(folder / RECOGNISER, threads)
    logger.info("models run on %s", ", ".join(recogniser.get_providers()))
    return Models(
        detector=open_session(folder / DETECTOR, threads),
        recogniser=recogniser,
        characters=characters(recogniser, folder / RECOGNISER),
        classifier=open_session(folder / CLASSIFIER, threads) if with_classifier else None,
    )


def run(session: onnxruntime.InferenceSession, batch: np.ndarray) -> np.ndarray:
    """Returns the only output for the only input of a model."""
    return session.run(None, {session.get_inputs()[0].name: batch})[0]


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Loads a model, onto the GPU where ONNX Runtime offers one.

    Raises:
        ModelError: the file is missing or damaged.
    """
    if not path.is_file():
        raise _model_error(path, "is missing")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Arenas and memory patterns keep the largest picture's memory for ever.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    # Threads that spin while they wait take the cores from the workers next door.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers())
    except Exception as error:  # ONNX Runtime's error classes share no base
        raise _model_error(path, f"cannot be loaded ({_first_line(error)})") from error


def providers() -> list[Any]:
    """Returns the execution providers in order of preference."""
    if CUDA not in onnxruntime.get_available_providers():
        return [CPU]
    # The default measures every algorithm anew for every size, and each line has its own.
    cuda = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
    return [(CUDA, cuda), CPU]


def preload_cuda() -> None:
    """Loads CUDA's libraries from where pip put them; ONNX Runtime alone asks the system only."""
    if CUDA in onnxruntime.get_available_providers() and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()


def characters(session: onnxruntime.InferenceSession, path: Path) -> tuple[str, ...]:
    """Returns the characters that a recogniser knows.

    Raises:
        ModelError: the model does not carry them.
    """
    known = session.get_modelmeta().custom_metadata_map.get("character")
    if known is None:
        raise _model_error(path, "holds no character list")
    return tuple(known.splitlines())


def _model_error(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"model {path} {problem}; restore it with: pip install --force-reinstall 'rapidocr>=3.10,<4'"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
