"""docs/metrics.md."""

from athena.telemetry.metrics import METRICS, Metric
from tests.pages.markdown import code, note, table

INTRO = """\
# Metrics

`GET /metrics` on each gateway is for Prometheus. All gateways tell the same of the whole fleet, so scrape one, or
take the maximum over all:

```
scrape_configs:
  - job_name: athena
    static_configs:
      - targets: ["127.0.0.1:30889"]
```

A series goes when what it tells of is gone: a worker that was removed, a GPU whose host fell silent, the queue of a
single GPU that has neither worker nor jobs. A queue of a type or of `any` is told of when it is empty, too.
"""

#: Beginning of a metric's name -> what it is about.
SUBJECTS = {
    "athena_queue_": "Queues",
    "athena_job_": "Jobs",
    "athena_worker_": "Workers",
    "athena_app_": "Applications with quotas ([security.md](security.md#quotas))",
    "athena_canary_": "Canaries ([reliability.md](reliability.md#a-canary))",
    "athena_gpu_": "GPUs",
}

QUESTIONS = """\
## Questions, as PromQL

| question | query |
| --- | --- |
| How many jobs wait, by ability? | `sum by (service_id) (athena_queue_jobs)` |
| Are more workers needed? (above 1: jobs wait although all slots are taken) | `sum by (service_id) (athena_queue_jobs) / sum by (service_id) (athena_worker_slots)` |
| Which ability has no live worker? | `sum by (service_id) (athena_worker_alive) == 0` |
| Which worker cannot answer any more? | `athena_worker_broken == 1` |
| Which ability breaks its processes? | `sum by (service_id) (increase(athena_worker_breaks_total[1h])) > 0` |
| Which ability does not answer its example? | `athena_canary_ok == 0` |
| Which GPU is bad? | `athena_gpu_healthy == 0` |
| Which GPU does nothing? | `avg_over_time(athena_gpu_utilization_ratio[10m]) < 0.05` |
"""


def render() -> str:
    """Returns the page."""
    return "\n".join([note("athena/telemetry/metrics.py"), INTRO, *_sections(), QUESTIONS])


def _sections() -> list[str]:
    by_subject: dict[str, list[Metric]] = {subject: [] for subject in SUBJECTS.values()}
    for metric in METRICS:
        subject = next((text for start, text in SUBJECTS.items() if metric.name.startswith(start)), "Others")
        by_subject.setdefault(subject, []).append(metric)
    return [f"## {subject}\n\n{_table(found)}" for subject, found in by_subject.items() if found]


def _table(metrics: list[Metric]) -> str:
    rows = ((code(item.name), item.kind, ", ".join(map(code, item.labels)), item.help) for item in metrics)
    return table(("metric", "kind", "labels", "meaning"), rows)
