"""What the queues of listed jobs know: how far they are, whether they are paused, why they wait."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from athena.jobs.record import JobRecord
from athena.operations.steps import Step, Steps
from athena.store.keys import job_key, line_key
from athena.store.submission import position_of


class Line(NamedTuple):
    """A queue: the number it gave out last, whether it is paused, why it waits ("" if it does not)."""

    given_out: bytes | None
    is_paused: bool
    waits: str


#: Of a job that does not queue.
_NO_LINE = Line(None, False, "")


def read_lines(records: Iterable[Mapping[bytes, bytes]]) -> Steps[dict[bytes, Line]]:
    """Reads the queues in which jobs lie, by their names; two journeys for however many jobs."""
    queues = sorted({record[b"queue"] for record in records if record.get(b"state") == b"queued"})
    if not queues:
        return {}
    told = yield [("HMGET", line_key(name.decode()), "out", "paused", "waits") for name in queues]
    heads = [(waits or b"").partition(b" ") for _, _, waits in told]
    asked = sorted({job_id for job_id, _, _ in heads if job_id})
    # A queue waits for as long as the job that it waits for lies in it.
    reads: list[Step] = [("HMGET", job_key(job_id.decode()), "state", "token") for job_id in asked]
    states = dict(zip(asked, (yield reads) if reads else [], strict=True))
    still = {job_id for job_id, (state, token) in states.items() if state == b"queued" and not token}
    return {
        name: Line(out, paused is not None, reason.decode(errors="replace") if job_id in still else "")
        for name, (out, paused, _), (job_id, _, reason) in zip(queues, told, heads, strict=True)
    }


def record_in_line(job_id: str, record: Mapping[bytes, bytes], lines: Mapping[bytes, Line]) -> JobRecord:
    """Returns a job's record with what its queue knows of it."""
    line = lines.get(record.get(b"queue", b""), _NO_LINE) if record.get(b"state") == b"queued" else _NO_LINE
    return JobRecord.decode(
        job_id, record, None, position_of(record, line.given_out), line.is_paused, line.waits
    )
