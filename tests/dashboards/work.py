"""Dashboards about abilities, their jobs and their queues."""

from tests.dashboards.charts import CHOSEN, Chart, Page, Row, lines, number


def _quantiles(title: str, metric: str) -> Chart:
    """Returns how long something took, as half, 95 % and 99 % of the jobs saw it."""
    record = f"ability_type:{metric}:quantile5m"
    queries = [
        (f'{record}{{quantile="{quantile}",{CHOSEN}}}', f"{{{{service_id}}}} {{{{gpu_type}}}} {name}")
        for quantile, name in (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))
    ]
    return lines(title, *queries, unit="s")


FLEET = Page(
    "fleet",
    "Athena / Fleet",
    "Is anything wrong, and where?",
    (
        Row(
            "Now",
            (
                number("Alerts", 'count(ALERTS{alertstate="firing"}) or vector(0)', bad_from=1),
                number("Gateways ready", "sum(max by (gateway) (athena_gateway_ready))", bad_below=1),
                number("Redis answers", "max(athena_redis_up)", bad_below=1),
                number(
                    "Workers missing",
                    "sum(max by (service_id, gpu_type) (athena_workers_expected))"
                    " - sum(max by (service_id, gpu_type) (athena_workers_serving))",
                    bad_from=1,
                ),
                number("Jobs open", "sum(max by (service_id) (athena_jobs_open))"),
                number("Dead letters", "max(athena_dead_letters)", bad_from=1),
            ),
        ),
        Row(
            "Traffic",
            (
                lines(
                    "Jobs that end, by ability",
                    (
                        f"sum by (service_id) (ability:athena_jobs_finished:rate5m{{{CHOSEN}}})",
                        "{{service_id}}",
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                lines(
                    "Jobs that fail, of all that end",
                    (f"ability:athena_jobs_failed:ratio10m{{{CHOSEN}}}", "{{service_id}}"),
                    unit="percentunit",
                ),
                lines(
                    "Jobs that are refused",
                    (f"rate(ability:athena_jobs_rejected:sum{{{CHOSEN}}}[5m])", "{{service_id}}"),
                    unit="reqps",
                ),
            ),
        ),
        Row(
            "Capacity",
            (
                lines(
                    "Load: jobs for each slot (above 1, jobs wait)",
                    (
                        f"max by (service_id, gpu_type) (athena_load{{{CHOSEN}}})",
                        "{{service_id}} {{gpu_type}}",
                    ),
                ),
                lines(
                    "Workers that serve, and that should",
                    (
                        f"sum by (service_id) (max without (instance) (athena_workers_serving{{{CHOSEN}}}))",
                        "{{service_id}}",
                    ),
                    (
                        f"sum by (service_id) (max without (instance) (athena_workers_expected{{{CHOSEN}}}))",
                        "{{service_id}} expected",
                    ),
                ),
                lines(
                    "Alerts that fire",
                    ('count by (alertname) (ALERTS{alertstate="firing"}) or vector(0)', "{{alertname}}"),
                    stacked=True,
                ),
            ),
        ),
    ),
)

ABILITY = Page(
    "ability",
    "Athena / Ability",
    "One ability: how much, how fast, how well?",
    (
        Row(
            "Traffic",
            (
                lines(
                    "Jobs that end, by outcome",
                    (
                        f"ability:athena_jobs_finished:rate5m{{{CHOSEN}}}",
                        "{{service_id}} {{outcome}}",
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                lines(
                    "Requests, by status",
                    (
                        "sum by (service_id, status) (max without (instance)"
                        f" (rate(athena_http_requests_total{{{CHOSEN}}}[$__rate_interval])))",
                        "{{service_id}} {{status}}",
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                lines(
                    "Refused, by reason",
                    (
                        "sum by (service_id, reason) (max without (instance)"
                        f" (rate(athena_jobs_rejected_total{{{CHOSEN}}}[$__rate_interval])))",
                        "{{service_id}} {{reason}}",
                    ),
                    unit="reqps",
                ),
            ),
        ),
        Row(
            "Time",
            (
                _quantiles("Wait in the queue", "athena_job_queue_wait_seconds"),
                _quantiles("Wait in a worker for the call", "athena_job_batch_wait_seconds"),
                _quantiles("Run", "athena_job_run_seconds"),
                _quantiles("From submission to end", "athena_job_total_seconds"),
            ),
        ),
        Row(
            "Batches and load",
            (
                lines(
                    "Jobs in a batch, on average",
                    (
                        "sum by (service_id, gpu_type) (max without (instance)"
                        f" (rate(athena_batch_size_sum{{{CHOSEN}}}[$__rate_interval])))"
                        " / (sum by (service_id, gpu_type) (max without (instance)"
                        f" (rate(athena_batch_size_count{{{CHOSEN}}}[$__rate_interval]))) > 0)",
                        "{{service_id}} {{gpu_type}}",
                    ),
                ),
                lines(
                    "Load: jobs for each slot",
                    (
                        f"max by (service_id, gpu_type) (athena_load{{{CHOSEN}}})",
                        "{{service_id}} {{gpu_type}}",
                    ),
                ),
                lines(
                    "How long the last load of the model took",
                    (
                        f"max by (service_id, gpu_type) (athena_model_load_seconds{{{CHOSEN}}})",
                        "{{service_id}} {{gpu_type}}",
                    ),
                    unit="s",
                ),
            ),
        ),
    ),
)

JOBS = Page(
    "jobs",
    "Athena / Jobs",
    "What becomes of jobs: attempts, deaths, dead letters.",
    (
        Row(
            "Ends",
            (
                lines(
                    "Submitted, by lane",
                    (
                        "sum by (service_id, lane) (max without (instance)"
                        f" (rate(athena_jobs_submitted_total{{{CHOSEN}}}[$__rate_interval])))",
                        "{{service_id}} {{lane}}",
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                lines(
                    "Ended without success within 10 minutes",
                    (
                        'increase(ability:athena_jobs_finished:sum{outcome!="succeeded",'
                        + CHOSEN
                        + "}[10m])",
                        "{{service_id}} {{outcome}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Open: queued, put off or running",
                    (f"max by (service_id) (athena_jobs_open{{{CHOSEN}}})", "{{service_id}}"),
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Attempts",
            (
                lines(
                    "Attempts, by how they ended",
                    (
                        "sum by (service_id, result) (max without (instance)"
                        f" (rate(athena_job_attempts_total{{{CHOSEN}}}[$__rate_interval])))",
                        "{{service_id}} {{result}}",
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                lines(
                    "Wait to be tried again",
                    (f"max by (service_id) (athena_jobs_put_off{{{CHOSEN}}})", "{{service_id}}"),
                ),
                lines("Dead letters", ("max(athena_dead_letters)", "dead letters")),
            ),
        ),
        Row(
            "Workers",
            (
                lines(
                    "Processes that ended within 10 minutes, by cause",
                    (
                        "sum by (service_id, cause) (max without (instance)"
                        f" (increase(athena_worker_exits_total{{{CHOSEN}}}[10m])))",
                        "{{service_id}} {{cause}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Slots that are busy",
                    (
                        f"sum by (service_id) (max without (instance) (athena_worker_slots_busy{{{CHOSEN}}}))"
                        " / (sum by (service_id) (max without (instance)"
                        f" (athena_worker_slots{{{CHOSEN}}})) > 0)",
                        "{{service_id}}",
                    ),
                    unit="percentunit",
                ),
                lines(
                    "Workers, by state",
                    (
                        "sum by (service_id, state) (max without (instance)"
                        f" (athena_worker_state{{{CHOSEN}}}))",
                        "{{service_id}} {{state}}",
                    ),
                    stacked=True,
                ),
            ),
        ),
    ),
)

QUEUES = Page(
    "queues",
    "Athena / Queues",
    "How much waits, for how long, and when it will be done.",
    (
        Row(
            "Backlog",
            (
                lines(
                    "Jobs that wait, by queue",
                    (f"max by (queue, lane) (athena_queue_jobs{{{CHOSEN}}})", "{{queue}} {{lane}}"),
                    stacked=True,
                ),
                lines(
                    "The oldest job has waited for",
                    (f"max by (queue, lane) (athena_queue_oldest_seconds{{{CHOSEN}}})", "{{queue}} {{lane}}"),
                    unit="s",
                ),
                lines(
                    "Of the jobs that a queue may hold",
                    (
                        "max by (service_id) (sum by (service_id, queue) (max without (instance)"
                        f" (athena_queue_jobs{{{CHOSEN}}}))) / on (service_id)"
                        f" (max by (service_id) (athena_queue_limit_jobs{{{CHOSEN}}}) > 0)",
                        "{{service_id}}",
                    ),
                    unit="percentunit",
                ),
            ),
        ),
        Row(
            "Flow",
            (
                lines(
                    "In and out",
                    (
                        "sum by (service_id) (max without (instance)"
                        f" (rate(athena_jobs_submitted_total{{{CHOSEN}}}[$__rate_interval])))",
                        "{{service_id}} in",
                    ),
                    (
                        f"sum by (service_id) (ability:athena_jobs_finished:rate5m{{{CHOSEN}}})",
                        "{{service_id}} out",
                    ),
                    unit="reqps",
                ),
                lines(
                    "Time until all that waits is done, as fast as now",
                    (
                        f"ability:athena_queue_jobs:sum{{{CHOSEN}}} / on (service_id)"
                        f" (sum by (service_id) (ability:athena_jobs_finished:rate5m{{{CHOSEN}}}) > 0)",
                        "{{service_id}}",
                    ),
                    unit="s",
                ),
                lines(
                    "Paused",
                    (f"max by (queue, lane) (athena_queue_paused{{{CHOSEN}}})", "{{queue}} {{lane}}"),
                ),
            ),
        ),
    ),
)
