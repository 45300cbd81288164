"""All metrics: one table. docs/metrics.md shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric as Prometheus knows it: a gauge, a counter, whose name ends with `_total`, or a histogram.

    Attributes:
        buckets: upper limits of a histogram's buckets, but for the last, which has none.
    """

    name: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()

    @property
    def kind(self) -> str:
        """What Prometheus calls it."""
        if self.buckets:
            return HISTOGRAM
        return COUNTER if self.name.endswith("_total") else GAUGE


class Example(NamedTuple):
    """A value that a trace explains.

    Attributes:
        at_s: when that was, in seconds since 1970.
    """

    trace_id: str
    value: float
    at_s: float


_NO_EXAMPLES: Mapping[float, Example] = {}


class Histogram(NamedTuple):
    """How values are spread.

    Attributes:
        counts: upper limit, infinite for the largest -> how many are not larger, and larger than the limit
            before.
        total: all values together.
        examples: upper limit -> one of these values.
    """

    counts: Mapping[float, int]
    total: float = 0.0
    examples: Mapping[float, Example] = _NO_EXAMPLES


class Sample(NamedTuple):
    """One value of a metric; `labels` are in the metric's order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Histogram


#: Those of `athena/store/lua/lib/tally.lua`, in seconds.
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

#: Sizes, in bytes.
BYTES = tuple(float(2**power) for power in (8, 10, 12, 14, 16, 18, 20, 22, 24, 26))

_ABILITY, _TYPE = ("service_id",), ("service_id", "gpu_type")
_QUEUE = ("service_id", "queue", "lane")
_GPU = ("host", "gpu", "gpu_id", "product")
_WORKER = ("worker", "service_id", "gpu_type", "gpu_id")

JOBS_SUBMITTED = Metric("athena_jobs_submitted_total", ("service_id", "lane"), "jobs that were accepted")
JOBS_FINISHED = Metric(
    "athena_jobs_finished_total",
    (*_TYPE, "outcome"),
    "jobs that ended: succeeded, failed, timed_out, canceled, expired or poisoned; without gpu_type: where "
    "they ended before they ran",
)
JOBS_REJECTED = Metric(
    "athena_jobs_rejected_total",
    ("service_id", "reason"),
    "jobs that were not accepted: queue_full, bytes_full, quota, conflict (another body has the request_id), "
    "inputs_lost or redis_error",
)
JOB_ATTEMPTS = Metric(
    "athena_job_attempts_total",
    (*_TYPE, "result"),
    "runs of jobs: ended the job, or it was retried because it failed, its worker died, overran its limit or "
    "was broken",
)
JOB_RETRIES = Metric(
    "athena_job_retries_total", _ABILITY, "failed runs after which a job is tried again ([retry])"
)
JOBS_MOVED = Metric(
    "athena_jobs_moved_total", _ABILITY, "jobs moved to another queue, as their type lost its last worker"
)
JOB_QUEUE_WAIT = Metric(
    "athena_job_queue_wait_seconds",
    _TYPE,
    "from a job's acceptance to its end, without its last run; of jobs that ran",
    SECONDS,
)
JOB_BATCH_WAIT = Metric(
    "athena_job_batch_wait_seconds",
    _TYPE,
    "from when a worker has a job to the begin of its call: the calls before it, and max_wait_ms",
    SECONDS,
)
JOB_RUN = Metric("athena_job_run_seconds", _TYPE, "how long the call took that a job was run in", SECONDS)
JOB_TOTAL = Metric("athena_job_total_seconds", _TYPE, "from a job's acceptance to its end", SECONDS)
BATCH_SIZE = Metric(
    "athena_batch_size", _TYPE, "jobs that shared a call", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
)
JOB_BYTES = Metric(
    "athena_job_bytes", _ABILITY, "message and inputs of a job that a gateway sends to Redis", BYTES
)
JOBS_OPEN = Metric("athena_jobs_open", _ABILITY, "jobs that wait, are put off, or run")
JOBS_PUT_OFF = Metric("athena_jobs_put_off", _ABILITY, "jobs that failed and wait for their next try")
DEAD_LETTERS = Metric("athena_dead_letters", (), "dead letters that are kept at the moment")

QUEUE_JOBS = Metric("athena_queue_jobs", _QUEUE, "jobs that wait in a queue")
QUEUE_OLDEST = Metric(
    "athena_queue_oldest_seconds", _QUEUE, "how long ago the job was accepted that is next; 0 if none waits"
)
QUEUE_PAUSED = Metric("athena_queue_paused", _QUEUE, "1 if an operator has paused it, else 0")
QUEUE_LIMIT = Metric("athena_queue_limit_jobs", _ABILITY, "most jobs that one of its queues may hold")
LOAD = Metric(
    "athena_load",
    _TYPE,
    "jobs that wait or are held by workers, divided by their slots; without slots the number of jobs. Jobs "
    "for any type count for all types that have slots, by their share",
)

DEMAND = Metric(
    "athena_demand_jobs",
    _TYPE,
    "jobs that wait or are held by workers, without those of paused queues: what a scaler goes by, and there "
    "without workers too. Jobs for any type count as in athena_load",
)

WORKERS_EXPECTED = Metric(
    "athena_workers_expected", _TYPE, "workers that hosts are to run, also a host that fell silent"
)
WORKERS_SERVING = Metric("athena_workers_serving", _TYPE, "workers whose hearts beat")
WORKER_STATE = Metric(
    "athena_worker_state",
    (*_WORKER, "state"),
    "1 for the state it is in: loading, serving, stopping, drained, broken, down, silent (its heart does not "
    "beat) or lost (its host fell silent)",
)
MODEL_LOAD = Metric(
    "athena_model_load_seconds",
    _TYPE,
    "from the start of a worker process to the moment when it serves; the last one",
)
WORKER_MODEL_LOADED = Metric("athena_worker_model_loaded", _WORKER, "1 if its model is loaded, else 0")
WORKER_ALIVE = Metric(
    "athena_worker_alive", _WORKER, "1 if its heart beats, else 0, for an hour after its host fell silent"
)
WORKER_SLOTS = Metric("athena_worker_slots", _WORKER, "jobs that it may hold")
WORKER_SLOTS_BUSY = Metric("athena_worker_slots_busy", _WORKER, "jobs that it holds, running and waiting")
WORKER_BROKEN = Metric(
    "athena_worker_broken",
    _WORKER,
    "1 if its last process was found broken and none serves in its place, else 0",
)
WORKER_UNBATCHED = Metric(
    "athena_worker_unbatched",
    _WORKER,
    "1 if its process runs each job in a call of its own because its batches failed, else 0",
)
WORKER_BREAKS = Metric(
    "athena_worker_breaks_total", _ABILITY, "worker processes that were found broken and replaced"
)
WORKER_EXITS = Metric(
    "athena_worker_exits_total",
    (*_TYPE, "cause"),
    "worker processes that ended: stopped, recycled, crashed, overran (max_exec_s), hung, broken, "
    "start_failed, or silent (with their host)",
)

HTTP_REQUESTS = Metric(
    "athena_http_requests_total",
    ("service_id", "status"),
    "HTTP requests that were answered; without service_id: those for no ability; status 499: the caller went "
    "away before",
)
HTTP_SECONDS = Metric(
    "athena_http_request_seconds",
    _ABILITY,
    "from a request's head (a small one: its end) to its answer",
    SECONDS,
)

HTTP_ANSWER_BYTES = Metric("athena_http_answer_bytes", _ABILITY, "bodies of answers", BYTES)

_GATEWAY = ("gateway",)

GATEWAY_UP = Metric("athena_gateway_up", _GATEWAY, "1 if it has told of itself lately, else 0, for an hour")
GATEWAY_READY = Metric("athena_gateway_ready", _GATEWAY, "1 if `GET /readyz` says so, else 0")
GATEWAY_LAG = Metric(
    "athena_gateway_loop_lag_seconds", _GATEWAY, "by how much its event loop was late, the worst of a second"
)
GATEWAY_WAITING = Metric("athena_gateway_waiting_callers", _GATEWAY, "callers that wait for the end of a job")
GATEWAY_CONNECTIONS = Metric("athena_gateway_connections", _GATEWAY, "open connections of callers")
GATEWAY_HELD = Metric(
    "athena_gateway_held_bytes", _GATEWAY, "bytes of requests whose jobs are not in Redis yet"
)
GATEWAY_HELD_LIMIT = Metric(
    "athena_gateway_held_limit_bytes", _GATEWAY, "how many it may hold (ATHENA_MAX_HELD_BYTES)"
)
BUILD_INFO = Metric("athena_build_info", ("gateway", "version"), "1; the version of each gateway")

#: Of each gateway's process, by the usual names.
PROCESS = tuple(
    Metric(f"process_{name}", _GATEWAY, text)
    for name, text in (
        ("cpu_seconds_total", "processor time of a gateway"),
        ("resident_memory_bytes", "its memory"),
        ("virtual_memory_bytes", "its address space"),
        ("start_time_seconds", "when it began, in seconds since 1970"),
        ("open_fds", "files and connections that it has open"),
        ("max_fds", "how many it may have"),
    )
)

REDIS_UP = Metric("athena_redis_up", (), "1 if the gateway that is asked reaches Redis, else 0")
REDIS_LATENCY = Metric("athena_redis_latency_seconds", (), "how long a round trip to Redis takes")
REDIS_MEMORY = Metric("athena_redis_memory_used_bytes", (), "memory that Redis uses for data")
REDIS_MEMORY_LIMIT = Metric("athena_redis_memory_limit_bytes", (), "its `maxmemory`; 0 without one")
REDIS_ERRORS = Metric("athena_redis_errors_total", (), "commands that Redis has answered with an error")
REDIS_AOF_OK = Metric("athena_redis_aof_ok", (), "0 if its append-only file cannot be written, else 1")
REDIS_CLIENTS = Metric("athena_redis_clients", (), "connections to Redis")
REDIS_UPTIME = Metric("athena_redis_uptime_seconds", (), "for how long it has run")

GPU_HEALTHY = Metric("athena_gpu_healthy", _GPU, "1 if workers may run on it, else 0")
GPU_UTILIZATION = Metric("athena_gpu_utilization_ratio", _GPU, "share of time in which it computed")
GPU_MEMORY_TOTAL = Metric("athena_gpu_memory_total_bytes", _GPU, "its memory")
GPU_MEMORY_USED = Metric("athena_gpu_memory_used_bytes", _GPU, "memory in use, by whomever")
GPU_TEMPERATURE = Metric("athena_gpu_temperature_celsius", _GPU, "its temperature")
GPU_POWER = Metric("athena_gpu_power_watts", _GPU, "what it draws")

TRAFFIC_SHARE = Metric(
    "athena_traffic_share_ratio", _ABILITY, "share of requests for any version that this version gets"
)
CANARY_OK = Metric("athena_canary_ok", _ABILITY, "1 if its last canary was answered as it must be, else 0")
CANARY_SECONDS = Metric("athena_canary_seconds", _ABILITY, "how long its last canary took")

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
    JOBS_SUBMITTED,
    JOBS_FINISHED,
    JOBS_REJECTED,
    JOB_ATTEMPTS,
    JOB_RETRIES,
    JOBS_MOVED,
    JOB_QUEUE_WAIT,
    JOB_BATCH_WAIT,
    JOB_RUN,
    JOB_TOTAL,
    BATCH_SIZE,
    JOB_BYTES,
    JOBS_OPEN,
    JOBS_PUT_OFF,
    DEAD_LETTERS,
    QUEUE_JOBS,
    QUEUE_OLDEST,
    QUEUE_PAUSED,
    QUEUE_LIMIT,
    LOAD,
    DEMAND,
    WORKERS_EXPECTED,
    WORKERS_SERVING,
    WORKER_STATE,
    MODEL_LOAD,
    WORKER_MODEL_LOADED,
    WORKER_ALIVE,
    WORKER_SLOTS,
    WORKER_SLOTS_BUSY,
    WORKER_BROKEN,
    WORKER_UNBATCHED,
    WORKER_BREAKS,
    WORKER_EXITS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_ANSWER_BYTES,
    GATEWAY_UP,
    GATEWAY_READY,
    GATEWAY_LAG,
    GATEWAY_WAITING,
    GATEWAY_CONNECTIONS,
    GATEWAY_HELD,
    GATEWAY_HELD_LIMIT,
    BUILD_INFO,
    *PROCESS,
    REDIS_UP,
    REDIS_LATENCY,
    REDIS_MEMORY,
    REDIS_MEMORY_LIMIT,
    REDIS_ERRORS,
    REDIS_AOF_OK,
    REDIS_CLIENTS,
    REDIS_UPTIME,
    GPU_HEALTHY,
    GPU_UTILIZATION,
    GPU_MEMORY_TOTAL,
    GPU_MEMORY_USED,
    GPU_TEMPERATURE,
    GPU_POWER,
    TRAFFIC_SHARE,
    CANARY_OK,
    CANARY_SECONDS,
    APP_OPEN_JOBS,
    APP_QUEUED_JOBS,
    APP_OPEN_BYTES,
    APP_REQUESTS_TODAY,
    APP_REFUSED_TODAY,
    APP_BYTES_TODAY,
    APP_JOBS_TODAY,
    APP_DEVICE_SECONDS_TODAY,
)
