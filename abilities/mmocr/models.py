"""Opens RapidOCR's model files; nothing is ever downloaded."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rapidocr

from athena.sdk import onnx

MODELS_FOLDER = Path(rapidocr.__file__).parent / "models"
DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"
CLASSIFIER = "ch_ppocr_mobile_v2.0_cls_mobile.onnx"

#: What each model may use of the GPU memory that the worker was given; activations need it, so the detector,
#: which sees whole pictures, and the recogniser, which sees many lines at once, need most.
DETECTOR_SHARE, RECOGNISER_SHARE, CLASSIFIER_SHARE = 0.45, 0.45, 0.1

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

    detector: onnx.OnnxSession
    recogniser: onnx.OnnxSession
    characters: tuple[str, ...]
    classifier: onnx.OnnxSession | None = None


def load_models(folder: Path, threads: int | None, with_classifier: bool) -> Models:
    """Loads the models of `folder`.

    Args:
        folder: where RapidOCR's model files lie.
        threads: of one inference on the CPU; 0 lets ONNX Runtime take all cores, None takes the worker's
            share.
        with_classifier: whether upside-down lines shall be told.

    Raises:
        ModelError: a file is missing or damaged.
    """
    recogniser = open_model(folder / RECOGNISER, threads, RECOGNISER_SHARE)
    logger.info("models run on %s", ", ".join(recogniser.providers))
    return Models(
        detector=open_model(folder / DETECTOR, threads, DETECTOR_SHARE),
        recogniser=recogniser,
        characters=characters(recogniser, folder / RECOGNISER),
        classifier=(open_model(folder / CLASSIFIER, threads, CLASSIFIER_SHARE) if with_classifier else None),
    )


def run(model: onnx.OnnxSession, batch: np.ndarray) -> np.ndarray:
    """Returns the only output for the only input of a model."""
    return model.run({next(iter(model.inputs)): batch})[0]


def open_model(path: Path, threads: int | None, memory_share: float) -> onnx.OnnxSession:
    """Loads a model.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        return onnx.open_session(path, threads=threads, memory_share=memory_share)
    except onnx.ModelFileError as error:
        raise _model_error(str(error)) from error


def characters(model: onnx.OnnxSession, path: Path) -> tuple[str, ...]:
    """Returns the characters that a recogniser knows.

    Raises:
        ModelError: the model does not carry them.
    """
    known = model.metadata.get("character")
    if known is None:
        raise _model_error(f"model {path} holds no character list")
    return tuple(known.splitlines())


def _model_error(problem: str) -> ModelError:
    return ModelError(f"{problem}; restore it with: pip install --force-reinstall 'rapidocr>=3.10,<4'")
