"""A wrapper that runs its model on one input and on many by the same three methods."""

from collections.abc import Iterator, Sequence
from typing import Any

from athena.sdk.answers import answer
from athena.sdk.data import DataListCls, Response
from athena.sdk.wrapper import WrapperBase


class BatchWrapper(WrapperBase):
    """A wrapper whose model takes several inputs in one run.

    Define `prepare` and `infer`, and `respond` where the answer is more than what `infer` returned.
    `worker.max_batch` says how many jobs may come together.

    Inputs of one shape share a run; those of other shapes have runs of their own, so that none changes the
    answer of another. A model that masks what is filled up may set `pad`.

    Attributes:
        pad: what shorter inputs are filled up with, at the end of each side, to the size of the largest;
            None: they are not.
    """

    pad: float | None = None

    def prepare(self, params: dict[str, str], reqData: DataListCls) -> Any:
        """Returns a job's input for the model, as an array.

        Raises:
            InputError: it cannot be used.
        """
        raise NotImplementedError("prepare is not defined")

    def infer(self, batch: Any, sizes: Sequence[int]) -> Any:
        """Runs the model.

        Args:
            batch: the inputs, stacked along a new first side.
            sizes: how long each input was along its first side, before it was filled up; 1 for a number.

        Returns:
            An array or a list with one result for each input, in their order; or a tuple of such, whose
            results become tuples.
        """
        raise NotImplementedError("infer is not defined")

    def respond(self, result: Any, params: dict[str, str]) -> Response:
        """Returns the answer; by default it is the result, as the only output that `responseCls` declares."""
        keys = [field.key for field in vars(type(self.responseCls)).values() if hasattr(field, "key")]
        if len(keys) != 1:
            raise TypeError(f"responseCls declares {len(keys)} outputs, so respond has to be defined")
        return answer({keys[0]: result})

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        """Answers one job."""
        (item,) = self.wrapperBatchExec([params], [reqData])
        if isinstance(item, BaseException):
            raise item
        return item

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response | BaseException]:
        """Answers several jobs; one that cannot be prepared or answered fails alone."""
        import numpy

        items: dict[int, Any] = {}
        ready: dict[int, Any] = {}
        for place, (params, inputs) in enumerate(zip(params_list, req_list, strict=True)):
            try:
                ready[place] = numpy.asarray(self.prepare(params, inputs))
            except Exception as error:
                items[place] = error
        for places in self._groups(ready):
            results = self._run([ready[place] for place in places])
            for place, result in zip(places, results, strict=True):
                try:
                    items[place] = self.respond(result, params_list[place])
                except Exception as error:
                    items[place] = error
        return [items[place] for place in range(len(req_list))]

    def _groups(self, ready: dict[int, Any]) -> Iterator[list[int]]:
        """Yields the places of inputs that share a run."""
        groups: dict[Any, list[int]] = {}
        for place, array in ready.items():
            kind = array.ndim if self.pad is not None else array.shape
            groups.setdefault((array.dtype, kind), []).append(place)
        yield from groups.values()

    def _run(self, arrays: list[Any]) -> list[Any]:
        sizes = [array.shape[0] if array.ndim else 1 for array in arrays]
        found = self.infer(self._stacked(arrays), sizes)
        results = list(zip(*found, strict=True)) if isinstance(found, tuple) else list(found)
        if len(results) != len(arrays):
            raise ValueError(f"infer returned {len(results)} results for {len(arrays)} inputs")
        return results

    def _stacked(self, arrays: list[Any]) -> Any:
        import numpy

        if self.pad is None:
            return numpy.stack(arrays)
        largest = numpy.max([array.shape for array in arrays], axis=0, initial=0)
        batch = numpy.full((len(arrays), *largest.astype(int)), self.pad, arrays[0].dtype)
        for place, array in enumerate(arrays):
            filled: tuple[int | slice, ...] = (place, *(slice(side) for side in array.shape))
            batch[filled] = array
        return batch
