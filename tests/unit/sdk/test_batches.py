"""One job and many, by the same methods."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from athena.sdk import BatchWrapper, DataListCls, DataListNode, InputError, JsonBodyField, Response, answer


class Asked:
    row = JsonBodyField(key="row")


class Answered:
    result = JsonBodyField(key="result")


class Doubling(BatchWrapper):
    """Doubles numbers, and notes in which runs."""

    requestCls, responseCls = Asked(), Answered()

    def __init__(self, pad: float | None = None) -> None:
        super().__init__()
        self.pad = pad
        self.runs: list[tuple[Any, list[int]]] = []

    def prepare(self, params: dict[str, str], reqData: DataListCls) -> Any:
        node = reqData.get("row")
        assert node is not None
        if node.data == b"null":
            raise InputError("holds no row", "row")
        return np.array(json.loads(node.data), np.float32)

    def infer(self, batch: Any, sizes: Sequence[int]) -> Any:
        self.runs.append((batch.tolist(), list(sizes)))
        return 2 * batch


class Naming(Doubling):
    """Has several results, and an answer of its own."""

    def infer(self, batch: Any, sizes: Sequence[int]) -> Any:
        return batch.sum(axis=1), [f"of {size}" for size in sizes]

    def respond(self, result: Any, params: dict[str, str]) -> Response:
        total, name = result
        if total == 7:
            raise ValueError("seven")
        return answer(result={"total": total, "name": name, "tag": params["tag"]})


def batch(wrapper: BatchWrapper, *rows: Any) -> list[Any]:
    """Returns the answers, or errors, of jobs in one call."""
    inputs = [DataListCls([DataListNode("row", json.dumps(row).encode())]) for row in rows]
    items = wrapper.wrapperBatchExec([{"tag": str(place)} for place in range(len(rows))], inputs)
    return [item if isinstance(item, BaseException) else json.loads(item.list[0].data) for item in items]


def test_inputs_of_one_shape_share_a_run_and_keep_their_places() -> None:
    wrapper = Doubling()

    assert batch(wrapper, [1, 2], [3], [4, 5], [6]) == [[2, 4], [6], [8, 10], [12]]
    assert wrapper.runs == [([[1, 2], [4, 5]], [2, 2]), ([[3], [6]], [1, 1])]


def test_padded_inputs_share_a_run_and_tell_their_sizes() -> None:
    wrapper = Doubling(pad=-1)

    assert batch(wrapper, [1, 2], [3]) == [[2, 4], [6, -2]]
    assert wrapper.runs == [([[1, 2], [3, -1]], [2, 1])]
    assert batch(wrapper, [[1, 2]], [[3], [4]]) == [[[2, 4], [-2, -2]], [[6, -2], [8, -2]]]
    assert batch(wrapper, 1, 2) == [2, 4]


def test_one_that_cannot_be_prepared_or_answered_fails_alone() -> None:
    first, none, seven, last = batch(Naming(), [1, 2], None, [3, 4], [5, 6])

    assert (first, last) == (
        {"total": 3, "name": "of 2", "tag": "0"},
        {"total": 11, "name": "of 2", "tag": "3"},
    )
    assert (type(none), str(none)) == (InputError, "row holds no row")
    assert (type(seven), str(seven)) == (ValueError, "seven")


def test_a_job_alone_is_answered_or_raises() -> None:
    good, bad = (DataListCls([DataListNode("row", data)]) for data in (b"[1]", b"null"))

    assert Doubling().wrapperOnceExec({}, good).list[0].data == "[2.0]"
    with pytest.raises(InputError):
        Doubling().wrapperOnceExec({}, bad)


def test_results_that_are_too_few_are_told() -> None:
    class Losing(Doubling):
        def infer(self, batch: Any, sizes: Sequence[int]) -> Any:
            return batch[:-1]

    with pytest.raises(ValueError, match="infer returned 1 results for 2 inputs"):
        batch(Losing(), [1], [2])


def test_several_outputs_need_an_answer_of_their_own() -> None:
    class Two:
        result, other = JsonBodyField(key="result"), JsonBodyField(key="other")

    wrapper = Doubling()
    wrapper.responseCls = Two()  # type: ignore[assignment]

    (error,) = batch(wrapper, [1])

    assert "declares 2 outputs, so respond has to be defined" in str(error)
