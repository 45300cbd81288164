"""A model that is ready to run."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from athena.sdk.onnx import values
from athena.sdk.onnx.errors import OnnxError
from athena.sdk.onnx.faults import listed, why_failed
from athena.sdk.onnx.stand_in import StandIn

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxSession:
    """A model that is ready to run.

    On a GPU all runs come from one thread, whichever threads call: a session whose runs came from different
    threads was seen to keep more memory with each of them (microsoft/onnxruntime#29351). On the CPU the
    threads that call run it side by side.

    Attributes:
        inputs: name -> shape; a dimension of any size is a text or None.
        types: name of an input -> its type, such as "tensor(float)".
        outputs: the names, in the model's order.
        providers: what runs it, the preferred one first.
        metadata: what was written into the file.
        stand_in: the same for packages that are given an `onnxruntime.InferenceSession`.
    """

    def __init__(self, session: Any, path: Path | None) -> None:
        self._session = session
        self._name = name_of(path)
        self._lock = threading.Lock()
        self._owner = 0
        self._own_thread: ThreadPoolExecutor | None = None
        self.inputs: dict[str, tuple[Any, ...]] = {
            item.name: tuple(item.shape) for item in session.get_inputs()
        }
        self.types: dict[str, str] = {item.name: item.type for item in session.get_inputs()}
        self.outputs: tuple[str, ...] = tuple(item.name for item in session.get_outputs())
        self._unheld = {item.name for item in session.get_outputs() if not values.is_held(item.type)}
        self._has_odd_inputs = not all(map(values.is_held, self.types.values()))
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.stand_in = StandIn(session, self._run_named)

    @property
    def runs_on_gpu(self) -> bool:
        """Whether a GPU computes it."""
        return CUDA in self.providers

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> list[Any]:
        """Returns the outputs as arrays; one of bfloat16, float8 or four bits as onnxruntime's OrtValue.

        Args:
            inputs: name -> array; or an OrtValue, a list for a sequence, None for an optional one.
            outputs: names of those that are wanted; None for all.

        Raises:
            OnnxError: the model cannot take them, or fails; the message names model, inputs and remedy.
        """
        return self._run_named(outputs, inputs)

    def _run_named(
        self, outputs: Sequence[str] | None, inputs: Mapping[str, Any], *options: Any
    ) -> list[Any]:
        if isinstance(outputs, str):
            raise OnnxError(f"outputs of {self._name} are asked for as a list of names, not as {outputs!r}")
        asked = None if outputs is None else list(outputs)
        try:
            feed = dict(inputs)
            if self._has_odd_inputs:
                feed = {name: values.given(value, self.types.get(name, "")) for name, value in feed.items()}
            if self._unheld and not self._unheld.isdisjoint(self.outputs if asked is None else asked):
                return self._run_odd(asked, feed, *options)
            return self._in_its_thread(self._session.run, asked, feed, *options)
        except Exception as error:  # onnxruntime's error classes share no base
            why = why_failed(error, map(self._described, self.inputs), inputs)
            raise OnnxError(f"{self._name} cannot be run: {why}") from error

    def _run_odd(self, asked: list[str] | None, feed: dict[str, Any], *options: Any) -> list[Any]:
        """Runs the model for outputs of which NumPy cannot hold all."""
        names = list(self.outputs) if asked is None else asked
        run = self._session.run_with_ort_values
        found = self._in_its_thread(run, names, values.as_ort_values(feed), *options)
        return list(map(values.returned, found))

    def _in_its_thread(self, run: Callable[..., Any], *arguments: Any) -> list[Any]:
        if not self.runs_on_gpu:
            on_cpu: list[Any] = run(*arguments)
            return on_cpu
        with self._lock:
            self._owner = self._owner or threading.get_ident()
            if self._own_thread is None and self._owner != threading.get_ident():
                self._own_thread = ThreadPoolExecutor(1, "onnx")
            if self._own_thread is None:
                found: list[Any] = run(*arguments)
            else:
                found = self._own_thread.submit(run, *arguments).result()
            return found

    def warm_up(self, example: Mapping[str, Any]) -> None:
        """Runs the model once.

        Args:
            example: input -> its shape, of which zeros are given, or its value: an array, an OrtValue, a
                number or a text; a list of such for a sequence. An optional input may be None or missing.

        Raises:
            OnnxError: the model has no such inputs, or cannot take them.
        """
        needed = {name for name, kind in self.types.items() if not values.is_optional(kind)}
        if not needed <= example.keys() <= self.inputs.keys():
            raise OnnxError(
                f"warm-up of {self._name} names {listed(example)}; its inputs are "
                + listed(map(self._described, self.inputs))
            )
        inputs = {name: self._example(name, told) for name, told in example.items()}
        try:
            self.run(inputs)
        except OnnxError as error:
            given = ", ".join(f"{name} {values.shown(value)}" for name, value in example.items())
            raise OnnxError(f"warm-up of {self._name} with {given} failed: {error}") from error

    def _described(self, name: str) -> str:
        return f"{name} {self.types[name]} {list(self.inputs[name])}"

    def _example(self, name: str, told: Any) -> Any:
        kind = self.types[name]
        try:
            return values.example_of(kind, len(self.inputs[name]), told)
        except (AttributeError, TypeError, ValueError) as error:
            raise OnnxError(
                f"warm-up of {self._name}: {name} is a {kind}, of which {values.shown(told)} makes none; "
                "give a value"
            ) from error


def name_of(model: Path | bytes | None) -> str:
    """Returns what a model is called in messages."""
    return f"model {model}" if isinstance(model, Path) else "a model from memory"
