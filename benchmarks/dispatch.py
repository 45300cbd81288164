"""What calling a wrapper costs beside the wrapper itself: `python -m benchmarks.dispatch`.

The dispatcher's call of `wrapperOnceExec` against the bound method, for a signature of each generation.
"""

import argparse
import json
import timeit
from collections.abc import Callable
from statistics import median
from typing import Any

from athena.sdk import DataListCls, DataListNode, Response, ResponseData, WrapperBase
from workers.runtime.dispatcher import Dispatcher, OnceArguments

CALLS = 20_000
GIVEN = OnceArguments({"sid": "j1"}, DataListCls([DataListNode("text", b"hi")]), "j1")

ANSWER = Response()
ANSWER.list = [ResponseData("text", b"hi")]


class Current(WrapperBase):
    """SDK 0.16."""

    def wrapperOnceExec(self, params: Any, reqData: Any, usrTag: str = "", persId: int = 0) -> Response:
        return ANSWER


class Short(WrapperBase):
    """SDK 0.1.8."""

    def wrapperOnceExec(self, params: Any, reqData: Any) -> Response:  # type: ignore[override]
        return ANSWER


class Swapped(WrapperBase):
    """SDK 0.9."""

    def wrapperOnceExec(self, params: Any, reqData: Any, persId: int = 0) -> Response:  # type: ignore[override]
        return ANSWER


def main() -> None:
    """Measures and prints microseconds a call."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures = {wrapper.__name__: measure(wrapper(), options.rounds) for wrapper in (Current, Short, Swapped)}
    print(json.dumps(figures, indent=2) if options.json else table(figures, options.rounds))


def measure(wrapper: Any, rounds: int) -> dict[str, float]:
    """Returns the cost of the bound method, of finding its arguments, and of the whole dispatch."""
    dispatcher = Dispatcher(wrapper, {"text": 0})
    wanted = (GIVEN.params, GIVEN.inputs, GIVEN.job_id, 0)
    method, call = wrapper.wrapperOnceExec, dispatcher.once_call
    arguments = wanted[: 4 if isinstance(wrapper, Current) else 2]
    return {
        "method": _cost_us(lambda: method(*arguments), rounds),
        "bound": _cost_us(lambda: call(*wanted), rounds),
        "dispatch": _cost_us(lambda: dispatcher.once(GIVEN), rounds),
    }


def _cost_us(call: Callable[[], Any], rounds: int) -> float:
    return median(timeit.repeat(call, number=CALLS, repeat=rounds)) / CALLS * 1e6


def table(figures: dict[str, dict[str, float]], rounds: int) -> str:
    """Returns the figures for people."""
    lines = [f"µs a call, median of {rounds} rounds"]
    for name, costs in figures.items():
        extra = costs["dispatch"] - costs["method"]
        lines.append(
            f"  {name:<8} method {costs['method']:5.2f}   arguments found {costs['bound']:5.2f}   "
            f"answer checked {costs['dispatch']:5.2f}   overhead {extra:5.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
