"""Spans that are kept of slow jobs, and the traces that metrics name as examples."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from athena.store.keys import TRACES, exemplars_key, trace_key
from athena.store.scripts import KEEP_TRACE, Arg, Command

#: Of so many jobs spans are kept; those that ended longest ago go first.
KEPT_TRACES = 1000


class Exemplar(NamedTuple):
    """A value of a histogram that a trace explains.

    Attributes:
        field: of the ability's counts, without GPU type for requests: `run LE TYPE`, `http_le LE`.
        seconds: the value.
        at_s: when that was, in seconds since 1970.
    """

    field: str
    trace_id: str
    seconds: float
    at_s: float


def keep_trace_command(
    job_id: str, service_id: str, ttl_s: float, spans: Iterable[bytes], exemplars: Iterable[Exemplar]
) -> Command:
    """Adds spans to those that are kept of a job, and notes examples of its ability's times.

    Args:
        job_id: the job.
        service_id: its ability.
        ttl_s: how long they are kept at most.
        spans: none where the job was not slow.
        exemplars: the last one of each field is kept.
    """
    kept = list(spans)
    notes = [
        part
        for item in exemplars
        for part in (item.field, f"{item.trace_id} {item.seconds:.6f} {item.at_s:.3f}")
    ]
    args: tuple[Arg, ...] = (job_id, service_id, int(ttl_s * 1000), KEPT_TRACES, len(kept), *kept, *notes)
    return KEEP_TRACE.call((), args)


def spans_command(job_id: str) -> Command:
    """Asks for the spans that are kept of a job."""
    return ("LRANGE", trace_key(job_id), 0, -1)


def traced_jobs_command(limit: int) -> Command:
    """Asks of which jobs spans are kept, the last one first."""
    return ("ZREVRANGE", TRACES, 0, limit - 1)


def exemplars_command(service_id: str) -> Command:
    """Asks for the examples of an ability's times."""
    return ("HGETALL", exemplars_key(service_id))


def read_exemplars(reply: Mapping[bytes, bytes]) -> dict[str, Exemplar]:
    """Reads the answer of `exemplars_command`, as a map; what is not understood is left out."""
    found = {}
    for field, raw in reply.items():
        parts = raw.decode(errors="replace").split(" ")
        try:
            trace_id, seconds, at_s = parts[0], float(parts[1]), float(parts[2])
        except (ValueError, IndexError):
            continue
        name = field.decode(errors="replace")
        found[name] = Exemplar(name, trace_id, seconds, at_s)
    return found
