"""The Celery application: `celery -A workers.celery_app inspect active`, and Flower.

Tools use kombu's own Redis transport; only worker processes replace it (`workers.process`).
"""

import os
from typing import Any

from celery import Celery

from athena.jobs.celery_message import TASK_NAME
from athena.settings import from_env
from athena.store.address import RedisAddress, redis_address_of
from athena.store.celery_address import celery_options, celery_url
from athena.store.connections import tls_options
from workers.consumer.publishers import HastyControl, HastyEvents


class _LazyConfig:
    """Reads the environment when Celery first asks, not when this module is imported."""

    accept_content = ("json",)
    task_serializer = "json"
    event_serializer = "json"
    result_backend = None
    task_ignore_result = True
    task_acks_late = True
    task_default_queue = "athena.unrouted"
    broker_connection_retry_on_startup = True
    # A command that Redis refuses, because it is full or takes no writes, would end the worker else.
    broker_channel_error_retry = True
    # No prefetch: jobs leave the shared queue when the session has a free slot.
    worker_prefetch_multiplier = 0
    worker_enable_prefetch_count_reduction = False
    # Calls go on while Redis is away; the session compares what it holds afterwards.
    worker_cancel_long_running_tasks_on_connection_loss = False
    worker_hijack_root_logger = False
    worker_redirect_stdouts = False
    worker_send_task_events = True
    worker_enable_remote_control = True
    worker_disable_rate_limits = True
    enable_utc = True

    @property
    def broker_url(self) -> str:
        return celery_url(self._address)

    @property
    def broker_transport_options(self) -> dict[str, Any]:
        return celery_options(self._address, from_env(os.environ).redis_timeout_s)

    @property
    def broker_use_ssl(self) -> dict[str, Any] | bool:
        return tls_options(self._address) if self._address.scheme == "rediss" else False

    @property
    def _address(self) -> RedisAddress:
        return redis_address_of(from_env(os.environ))


class AthenaApp(Celery):
    """An application that knows the one task.

    Args:
        request: the class of its requests, in a worker.
        config: goes before the settings above.
    """

    def __init__(self, request: str = "celery.worker.request:Request", **config: Any) -> None:
        super().__init__("athena", set_as_current=False, events=HastyEvents, control=HastyControl)
        self.config_from_object(_LazyConfig())
        if config:
            self.conf.update(config)

        @self.task(
            name=TASK_NAME,
            Request=request,
            # Celery's strategy would send `task-received` past the event budget; the request does it itself.
            send_events=False,
            shared=False,
        )
        def run(envelope: object) -> None:
            """Runs a job; the worker's pool does it, in batches, without calling this function."""
            raise NotImplementedError("athena.run runs only in a worker started by athena")


app = AthenaApp()
