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

Counters and histograms are kept in Redis by the scripts that accept, run and end jobs, in the step that does it: each
job counts once, whatever is sent twice, and no restart of a gateway, a worker or a supervisor loses any. They begin
anew when their ability is forgotten (`athena abilities rm`) or Redis loses its data; a Redis that goes back to an older state takes
them with it. A gateway's own examples (canaries) are in no counter of jobs.

HTTP requests are counted by each gateway, which adds them to Redis once a second and when it stops; a gateway that is
killed (SIGKILL, power) takes those of about the last second with it. While Redis is away `/metrics` tells of the gateway
itself and of `athena_redis_up 0`, and of nothing else.

Prometheus is answered in OpenMetrics where it accepts that, as it does by itself. With traces on ([traces.md](traces.md))
times of jobs and requests have exemplars then: `trace_id` of a traced one. Prometheus keeps them with
`--enable-feature=exemplar-storage`.

A series goes when what it tells of is gone: a worker that was removed, a GPU whose host fell silent, the queue of a
single GPU that has neither worker nor jobs. A host that falls silent without a word (it lost its power, its
supervisor was killed) keeps its workers in the list for an hour: they are expected, and not alive. A queue is told
of from its first job on.
"""

#: Beginning of a metric's name -> what it is about.
SUBJECTS = {
    "athena_queue_": "Queues",
    "athena_load": "Queues",
    "athena_demand_": "Queues",
    "athena_job_": "Jobs",
    "athena_jobs_": "Jobs",
    "athena_dead_": "Jobs",
    "athena_batch_": "Jobs",
    "athena_worker_": "Workers",
    "athena_workers_": "Workers",
    "athena_model_": "Workers",
    "athena_http_": "HTTP",
    "athena_gateway_": "Gateways",
    "athena_build_": "Gateways",
    "process_": "Gateways",
    "athena_redis_": "Redis",
    "athena_app_": "Applications with quotas ([security.md](security.md#quotas))",
    "athena_traffic_": "Versions beside each other ([upgrade.md](upgrade.md#two-versions-of-one-ability))",
    "athena_canary_": "Canaries ([reliability.md](reliability.md#a-canary))",
    "athena_gpu_": "GPUs",
}

QUESTIONS = """\
## Questions, as PromQL

| question | query |
| --- | --- |
| How many jobs wait, by ability? | `sum by (service_id) (athena_queue_jobs)` |
| Are more workers needed? (above 1: jobs wait although all slots are taken) | `athena_load > 1` |
| Which ability has fewer workers than it should have? | `athena_workers_serving < athena_workers_expected` |
| Which share of the jobs fails, by ability? | `sum by (service_id) (rate(athena_jobs_finished_total{outcome!~"succeeded|canceled"}[10m])) / sum by (service_id) (rate(athena_jobs_finished_total[10m]))` |
| How long do 99 of 100 jobs wait? | `histogram_quantile(0.99, sum by (service_id, le) (rate(athena_job_queue_wait_seconds_bucket[10m])))` |
| How many jobs share a call? | `rate(athena_batch_size_sum[10m]) / rate(athena_batch_size_count[10m])` |
| Why do worker processes end? | `sum by (service_id, cause) (increase(athena_worker_exits_total[1h])) > 0` |
| Which worker cannot answer any more? | `athena_worker_broken == 1` |
| Which worker has given its batches up? | `athena_worker_unbatched == 1` |
| Which ability breaks its processes? | `sum by (service_id) (increase(athena_worker_breaks_total[1h])) > 0` |
| Which version gets which share of requests? | `athena_traffic_share_ratio` |
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
