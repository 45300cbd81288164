"""All dashboards. What they ask for is in docs/metrics.md; a test asks a real Prometheus each of it."""

from tests.dashboards.machines import GATEWAYS, GPUS, REDIS
from tests.dashboards.work import ABILITY, FLEET, JOBS, QUEUES

DASHBOARDS = (FLEET, ABILITY, JOBS, QUEUES, GPUS, GATEWAYS, REDIS)
