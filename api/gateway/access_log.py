"""A line of the log for each request, where an operator wants that (`ATHENA_ACCESS_LOG`)."""

import logging
from collections.abc import Sequence

from api.gateway.gate import Rule, Visit
from athena.plain_text import plain_line
from athena.telemetry.log_fields import about

#: A name of its own: an operator tells access lines from the others by it.
logger = logging.getLogger("athena.access")

#: Longer targets are cut.
MAX_TARGET_CHARS = 500

MAX_WHY_CHARS = 500

#: Caller, method, path, status, milliseconds, and what it was about.
LINE = "%s %s %s %d %.1f ms%s"


class AccessLog(Rule):
    """Logs each request when it is answered, with the jobs that it made, and why it was refused.

    The query is left out: signatures and keys of callers are in it.
    """

    def leave(self, visit: Visit, status: int, seconds: float) -> None:
        """Writes the line."""
        path = plain_line(visit.target.partition(b"?")[0].decode("latin-1"), MAX_TARGET_CHARS)
        fields: dict[str, object] = {
            "client": visit.client,
            "method": visit.method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            **({"app_id": visit.caller.app_id} if visit.caller is not None else {}),
            **_fields_of(visit.jobs),
            **({"trace_id": visit.trace.trace_id} if visit.trace is not None else {}),
        }
        shown = f" job {visit.jobs[0][1]}" if visit.jobs else ""
        problem = visit.refusal or visit.problem
        if problem is not None:
            why = plain_line(problem.summary, MAX_WHY_CHARS)
            fields.update(code=problem.code, why=why)
            shown += f": {problem.code} {why}"
        given = visit.client or "-", visit.method, path, status, seconds * 1000, shown
        if logger.isEnabledFor(logging.INFO):
            # Not `logger.info`, which walks the stack for where it was called, a tenth of what a line costs.
            logger.handle(
                logger.makeRecord(
                    logger.name, logging.INFO, __file__, 0, LINE, given, None, extra=about(**fields)
                )
            )


def _fields_of(jobs: Sequence[tuple[str, str]]) -> dict[str, object]:
    if not jobs:
        return {}
    if len(jobs) > 1:
        return {"job_ids": [job_id for _, job_id in jobs]}
    ((service_id, job_id),) = jobs
    return {"ability": service_id, "job_id": job_id}
