"""Celery clients that know nothing but the broker."""

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

#: Celery's own default is to wait for ever.
_TIMEOUT_S = 5


class Strangers:
    """Sends tasks past the gateways; connects when the first one is sent."""

    def __init__(self, redis_url: str) -> None:
        self._app = Celery("stranger", broker=redis_url, set_as_current=False)
        self._app.conf.broker_transport_options = {
            "socket_timeout": _TIMEOUT_S,
            "socket_connect_timeout": _TIMEOUT_S,
        }

    def send(self, queue: str, task_id: str, request: object) -> bool:
        """Sends a task; returns whether Redis is known to have it."""
        try:
            self._app.send_task("athena.run", [request], queue=queue, task_id=task_id, retry=False)
        except (OperationalError, RedisError, OSError):
            return False
        return True
