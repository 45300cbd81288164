"""kombu's Redis transport, with jobs taken by a script instead of BRPOP.

An idle worker blocks on the bells of its queues, and sends along the script that takes jobs when one rings.
Everything else that kombu does on Redis (remote control, events, reply queues) stays as it is.

Private names of kombu 5.7 that are used here are checked by tests/unit/test_seams.py.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import orjson
from hiredis import pack_command
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from athena.errors import InternalError, NewerMessageError, RequestError
from athena.jobs.celery_message import argument_of
from athena.plain_text import one_line
from athena.store.address import RedisAddress, bracketed
from athena.store.connections import pool_of
from athena.store.lease import TakenJob
from athena.store.scripts import Command
from workers.consumer.led_jobs import LedJobs
from workers.consumer.loop_calls import LoopCalls
from workers.consumer.task_events import TaskBoard
from workers.consumer.task_headers import check_foreign, check_headers
from workers.lease.session import WorkerSession

logger = logging.getLogger(__name__)

#: Scheme of the broker URL of worker processes.
SCHEME = "athena"

#: A bell that was lost with the worker it woke costs at most this long.
BELL_TIMEOUT_S = 1.0


#: What an exchange with Redis fails with. kombu takes every KeyError and OSError for a lost connection.
LOST = (RedisError, OperationalError, ConnectionError, TimeoutError)


class JobQoS(virtual.QoS):
    """Slots instead of a prefetch count; the scripts keep what kombu's ack emulation would."""

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        self._on_collect.cancel()
        self._job_ids: dict[str, str] = {}

    def can_consume(self) -> bool:
        """Whether a worker may block on its bells, and whether the answer that it waits for is read.

        kombu does not read an answer while this says no, because its own might hold a message.
        """
        session = self.channel.session
        if not self.channel.consumes_jobs or self.channel._waits_for_bell:
            return True
        return bool(session.may_wait_for_bells(time.monotonic()))

    def append(self, message: Any, delivery_tag: str) -> None:
        """Remembers which job a delivery is."""
        self._job_ids[delivery_tag] = message.headers["id"]

    def ack(self, delivery_tag: str) -> None:
        """Celery is through with a task."""
        job_id = self._job_ids.pop(delivery_tag, None)
        if job_id is not None:
            self.channel.session.on_acknowledged(job_id)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Celery cannot run a task: its name is unknown, it is malformed; or with `requeue` not any more."""
        job_id = self._job_ids.pop(delivery_tag, None)
        if job_id is not None and requeue:
            self.channel.session.hand_back(job_id)
        elif job_id is not None:
            error = RequestError("Celery rejected the task; the worker's log says why")
            self.channel.session.refuse(job_id, error)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Does nothing: held jobs go on over a reconnect, and the session returns the rest."""

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: no visibility time-out decides about jobs."""


class JobChannel(kombu_redis.Channel):
    """A channel whose task queues are taken from by a script."""

    QoS = JobQoS  # type: ignore[assignment]  # kombu declares its own as the type
    session: WorkerSession
    queue_names: frozenset[str]
    board: TaskBoard
    calls: LoopCalls
    led_jobs: LedJobs
    address: RedisAddress
    timeout_s: float

    # What was asked last: consumers may be gone when the answer is read.
    _waits_for_bell = False
    _takes_at_bell = False

    _publisher: Any = None

    # What kombu keeps in these depends on the moment.
    _in_poll: Any
    _brpop_sent_at: Any

    @property
    def consumes_jobs(self) -> bool:
        """Whether this is the channel of the task queues."""
        return not self.queue_names.isdisjoint(self._active_queues)

    def turn(self) -> None:
        """One exchange with Redis, if there is something to exchange."""
        now_s = time.monotonic()
        if self._waits_for_bell and now_s - self._brpop_sent_at > BELL_TIMEOUT_S + self.timeout_s:
            self._hear_or_break()
        self.calls.run()
        for job in self.led_jobs.take_others():
            self._deliver(job)
        _call(self.session.turn, now_s, self._deliver)

    def _hear_or_break(self) -> None:
        """Reads the bell's overdue answer; without one the host is gone, and no error will ever tell."""
        connection = self.client.connection
        # The answer may have come in time, to a loop that stood still. `can_read` moves it into the parser,
        # where the loop's poll does not see it any more, so it is read at once.
        if connection.can_read(0):
            self._brpop_read()
            return
        connection.disconnect()
        raise RedisConnectionError(f"Redis did not answer within {self.timeout_s:g} s")

    def _get_pool(self, asynchronous: bool = False) -> Any:
        """Makes connections as all of Athena does, instead of from the broker's URL."""
        # As kombu's own method does; without it, remote control would be sent past this worker.
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=self.address.database)
        mixin = _watched_by(self) if asynchronous else None
        interval_s = self.health_check_interval
        return pool_of(self.address, self.timeout_s, mixin, health_check_interval=interval_s)

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Lends a client; kombu makes one for each event and answer, which costs more than to send it."""
        if client is None:
            # kombu drops its pool with a connection that is lost.
            if self._publisher is None or self._publisher.connection_pool is not self.pool:
                self._publisher = self._create_client()
            client = self._publisher
        yield client

    def _deliver(self, job: TakenJob) -> None:
        """Hands a job on; one whose message cannot be read ends, so that it cannot come back for ever."""
        try:
            document = orjson.loads(job.message)
            headers = document["headers"]
            check_headers(headers)
            if headers.get("athena"):
                self._accept(job, headers, argument_of(document))
            else:
                check_foreign(document, job.job_id)
                self.connection._deliver(document, job.queue)
        except NewerMessageError as error:
            self.session.pass_up(job.job_id, error)
        except RequestError as error:
            self.session.refuse(job.job_id, error)
        except (*LOST, OSError):
            # The connection is at fault and not the message; the job goes back after the reconnect.
            raise
        except Exception as error:
            # Raised into kombu, it might pass for a lost connection, and the job would come back for ever.
            logger.warning("job %s: its message cannot be read", job.job_id, exc_info=error)
            text = f"the message is not one of Celery's: {one_line(error)}"
            self.session.refuse(job.job_id, RequestError(text))

    def _accept(self, job: TakenJob, headers: dict[str, Any], argument: Any) -> None:
        """Hands a job of a gateway to the session; only tasks of other clients go through Celery."""
        task = self.board.receive(job.job_id, job.queue, headers.get("argsrepr", ""))
        if self.board.is_revoked(job.job_id):
            self.board.on_revoked(task)
            self.session.on_acknowledged(job.job_id)
        else:
            self.session.accept(job.job_id, argument, task.start, task.end)

    def _brpop_start(self, timeout: float | None = None) -> None:
        if not self.consumes_jobs:
            super()._brpop_start(timeout)
            return
        connection = self.client.connection
        self._waits_for_bell = True
        self._in_poll = connection
        self._brpop_sent_at = time.monotonic()
        bells, take = _call(self.session.begin_to_wait)
        self._takes_at_bell = take is not None
        wait: Command = ("BRPOP", *bells, str(BELL_TIMEOUT_S))
        commands: list[Any] = [wait] if take is None else [wait, take]
        connection.send_packed_command([pack_command(command) for command in commands])

    def _read_rung(self, **options: Any) -> Any:
        """Reads which bell has rung; a refusal is returned, as the answer to the take is still to be read."""
        try:
            return self.client.parse_response(self.client.connection, "BRPOP", **options)
        except ResponseError as error:
            return error

    def _read_taken(self) -> Any:
        """Reads what Redis answered to the take behind the bell; its refusal is returned."""
        try:
            return self.client.connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error

    def _brpop_read(self, **options: Any) -> bool:
        if not self._waits_for_bell:
            read: bool = super()._brpop_read(**options)
            return read
        try:
            rung = self._read_rung(**options)
            taken = self._read_taken() if self._takes_at_bell else None
        except self.connection_errors:
            # As in kombu: the next wait must not read what is left of this answer.
            self.client.connection.disconnect()
            raise
        finally:
            self._waits_for_bell = False
            self._in_poll = None
        if isinstance(rung, ResponseError):
            self.session.on_wait_refused(time.monotonic(), rung)
            rung = None
        bell = rung[0].decode() if rung else None
        if not self.consumes_jobs:
            # kombu reads the last answer when it closes the channel: Celery takes no task any more, and what
            # came with the bell goes back when the session ends.
            _call(self.session.on_bell, time.monotonic(), bell, taken, _leave)
            return True
        _call(self.session.on_bell, time.monotonic(), bell, taken, self._deliver)
        # Rung or timed out: both times the queues are looked into, and not only on the loop's next turn.
        self.turn()
        return True


def _leave(job: TakenJob) -> None:
    """Hands a job to nobody: it stays undelivered."""


def _call(step: Callable[..., Any], *given: Any) -> Any:
    """Lets the session do something.

    Raises:
        InternalError: a mistake of ours, which ends the worker: as it came, Celery might connect anew for it.
        redis.RedisError: the exchange with Redis failed.
    """
    try:
        return step(*given)
    except LOST:
        raise
    except Exception as error:
        raise InternalError(f"the worker's loop failed: {one_line(error)}") from error


def _watched_by(channel: JobChannel) -> type:
    """Returns a base for connections that tells a channel when one ends, as kombu's own do."""

    class Watched:
        def disconnect(self, *args: Any, **options: Any) -> None:
            base: Any = super()
            base.disconnect(*args, **options)
            if channel._registered:
                channel._on_connection_disconnect(self)

    return Watched


class JobPoller(kombu_redis.MultiChannelPoller):
    """Gives the job channel its turn before each wait of the event loop."""

    def on_poll_start(self) -> None:
        """Called on each turn of the loop."""
        # Before kombu asks whether to wait for bells: that depends on what the turn has found.
        for channel in list(self._channels):
            if channel.consumes_jobs:
                channel.turn()
        super().on_poll_start()


class SteadyLoop:
    """Celery's loop for kombu, which adds the same readers on each turn: a system call each time.

    kombu itself registers the sockets of new connections, and removes readers of lost ones.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def add_reader(self, fd: int, callback: Any, *args: Any) -> None:
        """Adds a reader that is not there yet."""
        if self._loop.readers.get(fd) != (callback, args):
            self._loop.add_reader(fd, callback, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def register_transport(
    session: WorkerSession,
    board: TaskBoard,
    calls: LoopCalls,
    led_jobs: LedJobs,
    address: RedisAddress,
    timeout_s: float,
) -> None:
    """Makes kombu know the scheme `athena`, for this process, its one session and its Redis."""

    # kombu makes channels and transports itself, so what they need of this process is on their classes.
    class BoundChannel(JobChannel):
        pass

    BoundChannel.session = session
    BoundChannel.queue_names = frozenset(session.demand.queues)
    BoundChannel.board = board
    BoundChannel.calls = calls
    BoundChannel.led_jobs = led_jobs
    BoundChannel.address = address
    BoundChannel.timeout_s = timeout_s

    class JobTransport(kombu_redis.Transport):
        Channel = BoundChannel

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.cycle: Any = JobPoller()

        def register_with_event_loop(self, connection: Any, loop: Any) -> None:
            super().register_with_event_loop(connection, SteadyLoop(loop))

    aliases: dict[str, Any] = TRANSPORT_ALIASES
    # kombu calls what it finds here: given the class itself, it would make a transport at once.
    aliases[SCHEME] = lambda: JobTransport


def worker_broker_url(address: RedisAddress) -> str:
    """Returns a broker URL that leads to our transport; beyond that it only tells tools where Redis is."""
    if address.scheme == "unix":
        return f"{SCHEME}+socket://{quote(os.fsencode(address.path))}"
    host, port = address.hosts[0]
    return f"{SCHEME}://{bracketed(host)}:{port}/{address.database}"
