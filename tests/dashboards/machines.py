"""Dashboards about machines: GPUs, gateways, Redis."""

from tests.dashboards.charts import Page, Row, lines

GPUS = Page(
    "gpus",
    "Athena / GPUs",
    "What the GPUs do, and how they are.",
    (
        Row(
            "Work",
            (
                lines(
                    "Computing",
                    (
                        "max by (host, gpu, product) (athena_gpu_utilization_ratio)",
                        "{{host}} {{gpu}} {{product}}",
                    ),
                    unit="percentunit",
                ),
                lines(
                    "Memory in use",
                    ("max by (host, gpu) (athena_gpu_memory_used_bytes)", "{{host}} {{gpu}}"),
                    unit="bytes",
                ),
                lines(
                    "Memory in use, of all",
                    (
                        "max by (host, gpu) (athena_gpu_memory_used_bytes / athena_gpu_memory_total_bytes)",
                        "{{host}} {{gpu}}",
                    ),
                    unit="percentunit",
                ),
            ),
        ),
        Row(
            "Health",
            (
                lines("Healthy", ("max by (host, gpu) (athena_gpu_healthy)", "{{host}} {{gpu}}")),
                lines(
                    "Temperature",
                    ("max by (host, gpu) (athena_gpu_temperature_celsius)", "{{host}} {{gpu}}"),
                    unit="celsius",
                ),
                lines(
                    "Power", ("max by (host, gpu) (athena_gpu_power_watts)", "{{host}} {{gpu}}"), unit="watt"
                ),
            ),
        ),
    ),
    by_ability=False,
)

GATEWAYS = Page(
    "gateways",
    "Athena / Gateways",
    "What callers meet first.",
    (
        Row(
            "Requests",
            (
                lines(
                    "Requests, by status",
                    (
                        "sum by (status) (max without (instance)"
                        " (rate(athena_http_requests_total[$__rate_interval])))",
                        "{{status}}",
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                lines(
                    "How long requests take",
                    *(
                        (
                            f"histogram_quantile({quantile}, sum by (le) (max without (instance)"
                            " (rate(athena_http_request_seconds_bucket[$__rate_interval]))))",
                            name,
                        )
                        for quantile, name in (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))
                    ),
                    unit="s",
                ),
                lines(
                    "Answered with 5xx",
                    ("ability:athena_http_server_errors:ratio5m", "{{service_id}}"),
                    unit="percentunit",
                ),
            ),
        ),
        Row(
            "Processes",
            (
                lines(
                    "Loop lag",
                    ("max by (gateway) (athena_gateway_loop_lag_seconds)", "{{gateway}}"),
                    unit="s",
                ),
                lines(
                    "Callers that wait, and connections",
                    ("max by (gateway) (athena_gateway_waiting_callers)", "{{gateway}} wait"),
                    ("max by (gateway) (athena_gateway_connections)", "{{gateway}} connections"),
                ),
                lines(
                    "Bytes held, and how many may be",
                    ("max by (gateway) (athena_gateway_held_bytes)", "{{gateway}}"),
                    ("max by (gateway) (athena_gateway_held_limit_bytes)", "{{gateway}} limit"),
                    unit="bytes",
                ),
                lines("Ready", ("max by (gateway) (athena_gateway_ready)", "{{gateway}}")),
                lines("Versions", ("count by (version) (athena_build_info)", "{{version}}"), stacked=True),
            ),
        ),
    ),
    by_ability=False,
)

REDIS = Page(
    "redis",
    "Athena / Redis",
    "The one place where state lives.",
    (
        Row(
            "Redis",
            (
                lines(
                    "Answers", ("max(athena_redis_up)", "up"), ("min(athena_redis_aof_ok)", "writes its log")
                ),
                lines("Time of a ping", ("max(athena_redis_latency_seconds)", "ping"), unit="s"),
                lines(
                    "Memory, and its limit",
                    ("max(athena_redis_memory_used_bytes)", "used"),
                    ("max(athena_redis_memory_limit_bytes)", "limit"),
                    unit="bytes",
                ),
                lines(
                    "Errors that it answered with",
                    ("max(rate(athena_redis_errors_total[$__rate_interval]))", "errors"),
                    unit="reqps",
                ),
                lines("Connections", ("max(athena_redis_clients)", "clients")),
                lines("Runs since", ("max(athena_redis_uptime_seconds)", "uptime"), unit="s"),
            ),
        ),
    ),
    by_ability=False,
)
