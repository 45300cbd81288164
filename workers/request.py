"""Celery's request object, with events that Flower can bear."""

import time
from typing import Any

from celery.worker.request import Request

from athena.broker import TASK_NAME


class EventBudget:
    """Lets the events of some jobs a second through: all of a job's events, or none.

    Three events a job are more than Flower can read when a worker runs thousands of jobs a second.
    """

    def __init__(self, jobs_per_s: int) -> None:
        self._jobs_per_s = jobs_per_s
        self._left = float(jobs_per_s)
        self._refilled_s = 0.0

    def admits(self, now_s: float) -> bool:
        """Takes one job out of the budget, if there is one left."""
        grown = self._left + (now_s - self._refilled_s) * self._jobs_per_s
        self._left = min(float(self._jobs_per_s), grown)
        self._refilled_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class JobRequest(Request):
    """A task of ours: named after its ability, shown without its data."""

    name: str

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._is_shown: bool | None = None
        if self.name == TASK_NAME:
            self.name = self._app.session.entry.service_id
        if not self._request_dict.get("athena"):
            # A caller who uses send_task has his data quoted in these.
            self._argsrepr = "(sent by send_task)"
            self._kwargsrepr = "{}"

    def send_event(self, type: str, **fields: Any) -> None:
        """Sends an event to Flower, after the one that introduces the task."""
        eventer = self._eventer
        if not (eventer and eventer.enabled):
            return
        if self._is_shown is None:
            self._is_shown = self._app.event_budget.admits(time.monotonic())
            if self._is_shown:
                self._introduce()
        if self._is_shown:
            eventer.send(type, uuid=self.id, **fields)

    def maybe_expire(self) -> bool | None:
        """Tells the session apart what expired and what was revoked."""
        expired: bool | None = super().maybe_expire()
        if expired:
            self._app.session.on_expired(self.id)
        return expired

    def _introduce(self) -> None:
        self._eventer.send(
            "task-received",
            uuid=self.id,
            name=self.name,
            args=self._argsrepr,
            kwargs=self._kwargsrepr,
            root_id=self.id,
            parent_id=None,
            retries=0,
            eta=None,
            expires=None,
        )
