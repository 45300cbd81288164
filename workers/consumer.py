"""Celery's consumer, back within a second after Redis is."""

from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from athena.errors import RequestError, one_line

FIRST_RETRY_S = 0.2
RETRY_STEP_S = 0.2
LAST_RETRY_S = 1.0


class JobConsumer(Consumer):
    """Reconnects quickly and for ever; kombu waits 2, 4 … 30 s and gives up after 100 tries."""

    def ensure_connected(self, conn: Any) -> Any:
        """Returns the connection once it is there."""
        conn.ensure_connection(
            self._on_retry,
            max_retries=None,
            interval_start=FIRST_RETRY_S,
            interval_step=RETRY_STEP_S,
            interval_max=LAST_RETRY_S,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        return conn

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Ends a job whose body cannot be read; Celery then drops the message."""
        error = RequestError(f"the body of the message cannot be read: {one_line(exc)}")
        self.app.session.refuse(message.headers["id"], error)
        super().on_decode_error(message, exc)

    def _on_retry(self, error: Exception, interval_s: float) -> None:
        self.on_connection_error_before_connected(error)
