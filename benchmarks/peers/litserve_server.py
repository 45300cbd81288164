"""LitServe 0.2.19: FastAPI in front of inference processes, joined by queues.

Tuned as its documentation says (LitServer): on a CPU `workers_per_device` is the number of cores; without
`num_api_servers` there are as many of them; uvloop and httptools, which uvicorn takes where they are there.
`fast_queue` stays off, its default: on two cores it lowered throughput and doubled the p99.
Batches: `max_batch_size` and `batch_timeout` (Batching).
"""

import os
import sys
from typing import Any

import litserve
from fastapi import HTTPException

from benchmarks.peers.pydantic_body import Body
from benchmarks.peers.work import answer, decode, work_type

WORK = work_type()


class Single(litserve.LitAPI):
    """Work that takes one input at a time."""

    def setup(self, device: str) -> None:
        """Loads the model."""
        self.work = WORK()

    def decode_request(self, request: Body) -> bytes:
        """Decodes what FastAPI has validated."""
        try:
            return decode(getattr(request.payload[WORK.source], WORK.kind))
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(status_code=400, detail=str(error)) from error

    def predict(self, x: bytes) -> Any:
        """Runs the work."""
        return self.work.run([x])[0]

    def encode_response(self, output: bytes) -> dict[str, Any]:
        """Returns what FastAPI turns into JSON."""
        return answer(WORK, output)


class Batched(Single):
    """Work that takes batches."""

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Leaves the inputs as they are; the default makes an array of numbers of them."""
        return inputs

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        """Leaves the outputs as they are."""
        return output

    def predict(self, x: list[bytes]) -> Any:
        """Runs the work."""
        return self.work.run(x)


if __name__ == "__main__":
    batching = {"max_batch_size": WORK.max_batch, "batch_timeout": 0.01}
    api = Batched(api_path="/run", **batching) if WORK.max_batch > 1 else Single(api_path="/run")
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=int(os.environ.get("BENCH_PROCESSES", "2")),
        timeout=120,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", generate_client_file=False)
