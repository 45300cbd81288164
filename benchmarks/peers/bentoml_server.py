"""BentoML 1.4.40: Starlette processes that run the model in threads of their own.

Tuned as its documentation says: `workers` "to leverage the parallelism of the underlying hardware", here the
number of cores (Parallelize requests handling); `batchable` with `max_batch_size` and `max_latency_ms`
(Adaptive batching), for which a caller has to send a list; no metrics, no tracing.
"""

import os
from typing import Any

import bentoml

from benchmarks.peers.pydantic_body import Body
from benchmarks.peers.work import answer, decode, work_type

WORK = work_type()


def read(body: Body) -> bytes:
    """Returns the input of a request."""
    try:
        return decode(getattr(body.payload[WORK.source], WORK.kind))
    except (KeyError, TypeError, ValueError) as error:
        raise bentoml.exceptions.InvalidArgument(str(error)) from error


@bentoml.service(
    name="runner",
    workers=int(os.environ.get("BENCH_PROCESSES", "2")),
    traffic={"timeout": 120},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Service:
    """Does the work."""

    def __init__(self) -> None:
        self.work = WORK()

    if WORK.max_batch > 1:

        @bentoml.api(batchable=True, max_batch_size=WORK.max_batch, max_latency_ms=1000, route="/run")
        def run(self, bodies: list[Body]) -> list[dict[str, Any]]:
            """Runs a batch that BentoML has put together."""
            outputs = self.work.run([read(body) for body in bodies])
            return [answer(WORK, output) for output in outputs]

    else:

        @bentoml.api(route="/run")
        async def run(self, body: Body, /) -> dict[str, Any]:
            """Runs one request."""
            return answer(WORK, self.work.run([read(body)])[0])
