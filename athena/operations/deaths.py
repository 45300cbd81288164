"""What is logged of jobs whose workers died."""

import logging

from athena.store.fencing import Death, Fenced
from athena.telemetry.log_fields import about, shown_ids

logger = logging.getLogger(__name__)


def tell_of_jobs(fenced: Fenced, death: Death) -> None:
    """Names the jobs that a worker held when it died, so that the log of a job tells of the death."""
    who, why = death.worker or "a worker", death.reason
    for ids, what in ((fenced.returned, "run again"), (fenced.ended, "ended")):
        if ids:
            logger.warning(
                "%s died (%s); jobs that %s: %s", who, why, what, shown_ids(ids), extra=about(job_ids=ids)
            )
    if fenced.stuck:
        logger.error(
            "jobs of a dead worker cannot be passed on, because keys of theirs are of a wrong kind: %s",
            ", ".join(fenced.stuck),
            extra=about(job_ids=fenced.stuck),
        )
