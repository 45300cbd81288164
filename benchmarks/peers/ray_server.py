"""Ray Serve 2.60.0: a proxy in front of replicas, which are actors.

Tuned as its documentation says: `RAY_SERVE_THROUGHPUT_OPTIMIZED` and `RAY_SERVE_ENABLE_HA_PROXY`, which the
runner sets, give it four times the throughput (Enable High Throughput on Ray Serve); `max_ongoing_requests`
above the number of clients and async methods (Performance Tuning); `serve.batch` (Dynamic Request Batching).
One replica: two did not get as far on two cores. No dashboard, a small object store.
"""

import asyncio
import os
import signal
import sys
import tempfile
import threading
from typing import Any

import ray
from fastapi import FastAPI, HTTPException
from ray import serve

from benchmarks.peers.pydantic_body import Body
from benchmarks.peers.work import answer, decode, work_type

OBJECT_STORE_BYTES = 128 * 1024 * 1024
WORK = work_type()

app = FastAPI()


@serve.deployment(
    num_replicas=int(os.environ.get("BENCH_PROCESSES", "1")),
    max_ongoing_requests=2000,
    ray_actor_options={"num_cpus": 0.5},
)
@serve.ingress(app)
class Server:
    """Does the work."""

    def __init__(self) -> None:
        self.work = WORK()

    @app.post("/run")
    async def run(self, body: Body) -> dict[str, Any]:
        """Runs one request, in a batch where the work takes batches."""
        try:
            data = decode(getattr(body.payload[WORK.source], WORK.kind))
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(status_code=400, detail=str(error)) from error
        output = await self.batch(data) if WORK.max_batch > 1 else self.work.run([data])[0]
        return answer(WORK, output)

    @serve.batch(max_batch_size=WORK.max_batch, batch_wait_timeout_s=0.01)
    async def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Runs a batch in a thread, so that the next one is collected meanwhile."""
        return await asyncio.to_thread(self.work.run, inputs)


def main(port: int) -> None:
    """Serves until it is told to stop."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=tempfile.gettempdir(),
        log_to_driver=False,
        logging_level="error",
    )
    # Only now: ray.init puts a handler of its own in place.
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Server.bind(), route_prefix="/")
    stopped.wait()
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
