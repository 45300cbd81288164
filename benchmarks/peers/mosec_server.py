"""mosec 0.9.8: a Rust HTTP server in front of Python processes, joined by a unix socket.

Tuned as its documentation says (Interface, append_worker): `num`, processes of a stage, "for parallel
computing", here as many as the work gains from on two cores; `max_batch_size` with `max_wait_time`, for
batches. msgspec, for which it has a mixin, instead of the standard library's JSON.
"""

import os
from typing import Annotated, Any, Literal

import msgspec
from mosec import Server, ValidationError, Worker

from benchmarks.peers.work import answer, decode, work_type

Short = Annotated[str, msgspec.Meta(max_length=50)]
Word = Annotated[str, msgspec.Meta(max_length=32)]
Long = Annotated[str, msgspec.Meta(max_length=16_777_216)]


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """Who asks."""

    app_id: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    status: Literal[3]
    uid: Short | None = None
    net_type: Literal["wifi", "2G", "3G", "4G", "5G"] | None = None


class Output(msgspec.Struct, forbid_unknown_fields=True):
    """How an output is wanted."""

    encoding: Word | None = None
    compress: Literal["raw", "gzip"] | None = None
    format: Literal["plain", "json", "xml"] | None = None


class Data(msgspec.Struct, forbid_unknown_fields=True):
    """An input, as base64."""

    encoding: Word | None = None
    compress: Literal["raw", "gzip"] | None = None
    status: Literal[0, 1, 2, 3] | None = None
    text: Long | None = None
    image: Long | None = None


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """The whole request."""

    header: Header
    parameter: dict[str, dict[str, Output]]
    payload: dict[str, Data]


class Runner(Worker):
    """Does the work."""

    def __init__(self) -> None:
        super().__init__()
        self.work = work_type()()
        self.decoder = msgspec.json.Decoder(Body)
        self.encoder = msgspec.json.Encoder()

    def deserialize(self, data: bytes) -> bytes:
        """Parses, validates and decodes."""
        try:
            source = self.decoder.decode(data).payload[self.work.source]
            return decode(getattr(source, self.work.kind))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise ValidationError(error) from error

    def forward(self, data: Any) -> Any:
        """Runs the work; a stage with batches gets a list."""
        if isinstance(data, list):
            return [answer(type(self.work), output) for output in self.work.run(data)]
        return answer(type(self.work), self.work.run([data])[0])

    def serialize(self, data: Any) -> bytes:
        """Returns JSON."""
        return self.encoder.encode(data)


if __name__ == "__main__":
    server = Server()
    processes = int(os.environ.get("BENCH_PROCESSES", "1"))
    most = work_type().max_batch
    if most > 1:
        server.append_worker(Runner, num=processes, max_batch_size=most, max_wait_time=10)
    else:
        server.append_worker(Runner, num=processes)
    server.run()
