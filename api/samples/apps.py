"""What applications use, for Prometheus."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from athena.telemetry.metrics import (
    APP_BYTES_TODAY,
    APP_DEVICE_SECONDS_TODAY,
    APP_JOBS_TODAY,
    APP_OPEN_BYTES,
    APP_OPEN_JOBS,
    APP_QUEUED_JOBS,
    APP_REFUSED_TODAY,
    APP_REQUESTS_TODAY,
    Sample,
)

_OPEN = {"open": APP_OPEN_JOBS, "queued": APP_QUEUED_JOBS, "bytes": APP_OPEN_BYTES}
_COUNTS = {"requests": APP_REQUESTS_TODAY, "refused": APP_REFUSED_TODAY, "bytes": APP_BYTES_TODAY}


def app_samples(
    counts: Mapping[str, Mapping[str, int]], today: Iterable[Mapping[str, Any]]
) -> Iterator[Sample]:
    """Returns what applications with quotas have open, and have used today."""
    for app_id, page in counts.items():
        for what, metric in _OPEN.items():
            yield Sample(metric, (app_id,), page.get(what, 0))
    for row in today:
        labels = (row["app_id"], row["service_id"])
        for what, metric in _COUNTS.items():
            yield Sample(metric, labels, row[what])
        for state, count in row["jobs"].items():
            yield Sample(APP_JOBS_TODAY, (*labels, state), count)
        for gpu_type, seconds in row["device_s"].items():
            yield Sample(APP_DEVICE_SECONDS_TODAY, (*labels, gpu_type), seconds)
