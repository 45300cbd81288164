"""An open model in the form of onnxruntime's own class, for packages that are given a session."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Runs a model: names of outputs, inputs, and options of this run.
Run = Callable[[Sequence[str] | None, Mapping[str, Any], Any], list[Any]]


class StandIn:
    """What a package takes for an `onnxruntime.InferenceSession`, `isinstance` included.

    Its runs are those of the session that it is made of: their errors name model, inputs and remedy, and on a
    GPU they come from one thread. Everything else is onnxruntime's.

    Args:
        session: onnxruntime's.
        run: runs the model.
    """

    def __init__(self, session: Any, run: Run) -> None:
        self._session = session
        self._run = run

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._session)

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None
    ) -> list[Any]:
        """Returns the outputs, as onnxruntime's method does.

        Raises:
            OnnxError: the model cannot take the inputs, or fails.
        """
        return self._run(output_names, input_feed, run_options)

    def __getattr__(self, name: str) -> Any:
        # A copy is asked before it has anything.
        if name == "_session":
            raise AttributeError(name)
        return getattr(self._session, name)
