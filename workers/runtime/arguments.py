"""What a job hands to the wrapper: its inputs fetched and decoded, by its call or before it."""

from collections.abc import Callable, Iterator
from typing import Any

from athena.errors import Problem
from athena.jobs.message import JobMessage, input_bytes
from athena.protocol.codings import decode_input
from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.sniffing import encoding_warning
from athena.sdk.data import DataListCls, DataListNode
from workers.batching.jobs import BatchJob
from workers.runtime.dispatcher import OnceArguments
from workers.runtime.recheck import Recheck

#: Fetches the inputs that lie beside a job's message.
ReadPayload = Callable[[str], bytes | None]


class ArgumentReader:
    """Reads the arguments of calls.

    Args:
        recheck: judges jobs that were queued under another interface.
        read_payload: fetches the inputs that lie beside a job's message.
        limit_bytes: how large the decoded inputs of a job may be.
    """

    def __init__(self, recheck: Recheck, read_payload: ReadPayload, limit_bytes: int) -> None:
        self._recheck = recheck
        self._read_payload = read_payload
        self._limit_bytes = limit_bytes

    def read(self, message: JobMessage, resource: Any = 0) -> OnceArguments:
        """Returns the arguments of a job.

        Raises:
            AthenaError: its inputs are gone, or do not fit any more.
            redis.RedisError: Redis, where they lie, is away for longer.
        """
        message = self._recheck.fitting(message)
        beside = self._read_payload(message.job_id) if message.claim else None
        # A copy: the wrapper may change it, and the message is the job's.
        params = {**message.params, "sid": message.job_id}
        inputs = _nodes(message, beside, self._limit_bytes)
        return OnceArguments(params, inputs, message.job_id, resource, tuple(_warnings(inputs)))

    def prepare(self, item: BatchJob) -> int:
        """Reads the arguments of a job before its call, and keeps them with it; returns their bytes."""
        try:
            item.prepared = arguments = self.read(item.message)
        except BaseException as error:
            # Its call raises it, where it counts.
            item.prepared = error
            return 0
        return sum(len(node.data) for node in arguments.inputs.list)

    def take(self, item: BatchJob) -> OnceArguments:
        """Returns the arguments of a job that may have been prepared; raises what `read` raises."""
        # Taken: a wrapper may change them, and the job may run again.
        prepared, item.prepared = item.prepared, None
        if isinstance(prepared, BaseException):
            raise prepared
        return prepared if isinstance(prepared, OnceArguments) else self.read(item.message)


def _nodes(message: JobMessage, beside: bytes | None, limit_bytes: int) -> DataListCls:
    nodes = []
    used_bytes = 0
    for item, data in zip(message.inputs, input_bytes(message, beside), strict=True):
        pointer = f"/payload/{item.key}/{DATA_FIELDS[item.type]}"
        plain, attributes = decode_input(pointer, item.type, data, item.attributes, limit_bytes, used_bytes)
        used_bytes += len(plain)
        nodes.append(DataListNode(item.key, plain, item.type, item.status, attributes))
    return DataListCls(nodes)


def _warnings(inputs: DataListCls) -> Iterator[Problem]:
    for node in inputs.list:
        detail = encoding_warning(node.type, node.data, node.attributes)
        if detail:
            yield Problem(f"/payload/{node.key}/{DATA_FIELDS[node.type]}", detail)
