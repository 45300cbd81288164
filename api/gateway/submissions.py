"""Jobs on their way into Redis: those that come within one turn of the event loop travel as one command."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from redis.exceptions import NoScriptError

from api.redis.link import RedisLink
from athena.store.scripts import Command
from athena.store.submission import Submission, submit_command
from athena.store.verdicts import Verdict, read_verdict

logger = logging.getLogger(__name__)

#: Gets Redis' verdict on a job, or a StoreError.
OnVerdict = Callable[[Verdict | BaseException], None]

#: The first jobs of a turn leave when there are so many, so that a worker can begin while the gateway reads
#: on; then twice as many travel together each time.
FIRST_JOBS = 12

#: So many jobs, or bytes of messages, travel together at most: Redis does nothing else meanwhile.
MAX_JOBS = 96
MAX_BYTES = 1_000_000


class Submissions:
    """Submits jobs and hands each caller the verdict on its own."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._jobs: list[Submission] = []
        self._readers: list[OnVerdict] = []
        self._size_bytes = 0
        self._portion = FIRST_JOBS
        self._turn_is_noted = False
        self._retries: set[asyncio.Task[None]] = set()

    def add(self, job: Submission, on_verdict: OnVerdict) -> None:
        """Submits a job; `on_verdict` is called once."""
        if not self._turn_is_noted:
            self._turn_is_noted = True
            self._link.before_flush(self._end_turn)
        self._jobs.append(job)
        self._readers.append(on_verdict)
        self._size_bytes += len(job.message)
        if len(self._jobs) >= self._portion or self._size_bytes >= MAX_BYTES:
            self._portion = min(2 * self._portion, MAX_JOBS)
            self._send()
            self._link.flush()

    def send_pending(self) -> None:
        """Lets nothing that is sent from now on overtake a job that was added before."""
        if self._jobs:
            self._send()

    def _end_turn(self) -> None:
        self._turn_is_noted = False
        self._portion = FIRST_JOBS
        self.send_pending()

    def _send(self) -> None:
        jobs, self._jobs = self._jobs, []
        readers, self._readers = self._readers, []
        self._size_bytes = 0
        command = submit_command(jobs)
        self._link.tell(command, lambda reply: self._read(command, readers, reply))

    def _read(self, command: Command, readers: list[OnVerdict], reply: Any) -> None:
        if isinstance(reply, NoScriptError):
            # A script that is not known has done nothing: it alone may be sent again.
            retry = asyncio.ensure_future(self._send_again(command, readers))
            # The loop's own reference to a task is weak.
            self._retries.add(retry)
            retry.add_done_callback(self._retries.discard)
        else:
            _tell(readers, reply)

    async def _send_again(self, command: Command, readers: list[OnVerdict]) -> None:
        """Loads the script first: Redis has forgotten it."""
        try:
            answer: Any = await self._link.execute(command)
        except Exception as error:
            answer = error
        _tell(readers, answer)


def _tell(readers: list[OnVerdict], answer: list[bytes] | BaseException) -> None:
    """Tells each caller his own; whatever goes wrong with one, none is left waiting."""
    for place, on_verdict in enumerate(readers):
        try:
            on_verdict(answer if isinstance(answer, BaseException) else read_verdict(answer[place]))
        except Exception as error:
            logger.exception("a verdict cannot be passed on")
            with contextlib.suppress(Exception):
                on_verdict(error)
