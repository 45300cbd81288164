"""All metrics: one table. docs/metrics.md shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric as Prometheus knows it: a gauge, or a counter, whose name ends with `_total`."""

    name: str
    labels: tuple[str, ...]
    help: str

    @property
    def kind(self) -> str:
        """What Prometheus calls it."""
        return "counter" if self.name.endswith("_total") else "gauge"


@dataclass(frozen=True)
class Sample:
    """One value of a metric; `labels` are in the metric's order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


_GPU = ("host", "gpu", "gpu_id", "product")
_WORKER = ("worker", "service_id", "gpu_type", "gpu_id")

GPU_HEALTHY = Metric("athena_gpu_healthy", _GPU, "1 if workers may run on it, else 0")
GPU_UTILIZATION = Metric("athena_gpu_utilization_ratio", _GPU, "share of time in which it computed")
GPU_MEMORY_TOTAL = Metric("athena_gpu_memory_total_bytes", _GPU, "its memory")
GPU_MEMORY_USED = Metric("athena_gpu_memory_used_bytes", _GPU, "memory in use, by whomever")
GPU_TEMPERATURE = Metric("athena_gpu_temperature_celsius", _GPU, "its temperature")
GPU_POWER = Metric("athena_gpu_power_watts", _GPU, "what it draws")
WORKER_MODEL_LOADED = Metric("athena_worker_model_loaded", _WORKER, "1 if its model is loaded, else 0")
WORKER_ALIVE = Metric("athena_worker_alive", _WORKER, "1 if its heart beats, else 0")
WORKER_SLOTS = Metric("athena_worker_slots", _WORKER, "jobs that it may hold")
WORKER_SLOTS_BUSY = Metric("athena_worker_slots_busy", _WORKER, "jobs that it holds, running and waiting")
WORKER_BROKEN = Metric(
    "athena_worker_broken",
    _WORKER,
    "1 if its last process was found broken and none serves in its place, else 0",
)
CANARY_OK = Metric(
    "athena_canary_ok", ("service_id",), "1 if its last canary was answered as it must be, else 0"
)
CANARY_SECONDS = Metric("athena_canary_seconds", ("service_id",), "how long its last canary took")
WORKER_BREAKS = Metric(
    "athena_worker_breaks_total", ("service_id",), "worker processes that were found broken and replaced"
)
JOB_RETRIES = Metric(
    "athena_job_retries_total", ("service_id",), "failed runs after which a job is tried again ([retry])"
)
QUEUE_JOBS = Metric("athena_queue_jobs", ("service_id", "queue"), "jobs that wait in a queue")

_APP, _USE = ("app_id",), ("app_id", "service_id")

APP_OPEN_JOBS = Metric("athena_app_open_jobs", _APP, "jobs of an app with a quota that wait or are run")
APP_QUEUED_JOBS = Metric("athena_app_queued_jobs", _APP, "those that wait")
APP_OPEN_BYTES = Metric("athena_app_open_bytes", _APP, "messages and inputs of those that wait or are run")
APP_REQUESTS_TODAY = Metric("athena_app_requests_today", _USE, "its requests to run a job since 00:00 UTC")
APP_REFUSED_TODAY = Metric("athena_app_refused_today", _USE, "those that were over a quota")
APP_BYTES_TODAY = Metric("athena_app_bytes_today", _USE, "messages and inputs of its jobs since 00:00 UTC")
APP_JOBS_TODAY = Metric("athena_app_jobs_today", (*_USE, "state"), "its jobs that ended since 00:00 UTC")
APP_DEVICE_SECONDS_TODAY = Metric(
    "athena_app_device_seconds_today", (*_USE, "gpu_type"), "seconds of devices that they took"
)

METRICS = (
    GPU_HEALTHY,
    GPU_UTILIZATION,
    GPU_MEMORY_TOTAL,
    GPU_MEMORY_USED,
    GPU_TEMPERATURE,
    GPU_POWER,
    WORKER_MODEL_LOADED,
    WORKER_ALIVE,
    WORKER_SLOTS,
    WORKER_SLOTS_BUSY,
    WORKER_BROKEN,
    WORKER_BREAKS,
    JOB_RETRIES,
    CANARY_OK,
    CANARY_SECONDS,
    QUEUE_JOBS,
    APP_OPEN_JOBS,
    APP_QUEUED_JOBS,
    APP_OPEN_BYTES,
    APP_REQUESTS_TODAY,
    APP_REFUSED_TODAY,
    APP_BYTES_TODAY,
    APP_JOBS_TODAY,
    APP_DEVICE_SECONDS_TODAY,
)
