"""Opens ONNX models where the worker is to run them, and says so when they run elsewhere.

    from athena.sdk import onnx

    model = onnx.open_session("model.onnx", warm_up=[{"pictures": (16, 64)}])
    (scores,) = model.run({"pictures": pictures})

Needs onnxruntime, which is imported when the first model is opened: the extra `cpu` or `gpu` of
athena-serving.

copies: copies of large models that workers share
errors: what is raised
faults: what onnxruntime's errors mean
identity: which files a model is made of, and for which machine a copy is right
opening: `open_session`, and where a model is to run
prepared: how such a copy is made and opened
session: a model that is ready to run
stand_in: the same in the form of onnxruntime's own class
values: inputs and outputs, and what NumPy has no type for
"""

from athena.sdk.onnx.errors import ModelFileError, OnnxError
from athena.sdk.onnx.opening import (
    CUDA_OPTIONS,
    Choice,
    available_providers,
    choose,
    cuda_settings,
    is_opening,
    load_cuda_libraries,
    memory_limit,
    open_session,
)
from athena.sdk.onnx.session import CPU, CUDA, OnnxSession
from athena.sdk.onnx.stand_in import StandIn

__all__ = [
    "CPU",
    "CUDA",
    "CUDA_OPTIONS",
    "Choice",
    "ModelFileError",
    "OnnxError",
    "OnnxSession",
    "StandIn",
    "available_providers",
    "choose",
    "cuda_settings",
    "is_opening",
    "load_cuda_libraries",
    "memory_limit",
    "open_session",
]
