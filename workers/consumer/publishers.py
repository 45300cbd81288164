"""What a worker publishes for Celery's tools: heartbeats and answers to remote control, without patience.

Celery publishes both from the worker's loop, and kombu tries again for ever while Redis is away. Until it is
back the loop does not turn: SIGTERM ends nothing, and a watchdog takes the worker for one that hangs. Tools
can do without a heartbeat or an answer.
"""

import logging
from typing import Any

from celery.app.control import Control
from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher
from celery.utils.time import utcoffset
from kombu.exceptions import OperationalError
from kombu.pidbox import Mailbox
from redis.exceptions import RedisError

from athena.plain_text import one_line

logger = logging.getLogger(__name__)

#: For `kombu.Connection.ensure`: one more try, at once. Answers leave over a connection that may still be to
#: a master of before.
TWO_TRIES = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


#: Who asks reads the answers within seconds.
ANSWER_TTL_S = 60


class HastyDispatcher(EventDispatcher):
    """Sends events; what cannot be sent is kept until Redis is back, as Celery does with those of tasks."""

    def _publish(
        self,
        event: Any,
        producer: Any,
        routing_key: str,
        retry: bool = False,
        retry_policy: Any = None,
        utcoffset: Any = utcoffset,
    ) -> None:
        super()._publish(event, producer, routing_key, retry=False)


class HastyEvents(Events):
    """Celery's events, with that dispatcher."""

    dispatcher_cls = HastyDispatcher


class HastyMailbox(Mailbox):
    """Answers remote control; whoever asked asks again when Redis is back."""

    def _publish_reply(
        self,
        reply: Any,
        exchange: Any,
        routing_key: str,
        ticket: str,
        channel: Any = None,
        producer: Any = None,
        **opts: Any,
    ) -> None:
        opts.setdefault("retry_policy", TWO_TRIES)
        connection: Any = self.connection
        channel = channel or connection.default_channel
        try:
            super()._publish_reply(reply, exchange, routing_key, ticket, channel, producer, **opts)
            # The list that answers lie in is the asker's own, and nobody else's: that of one who was killed
            # would stay for ever. kombu lets it expire only on the channel that declared it.
            with channel.conn_or_acquire() as client:
                client.expire(f"{routing_key}.{exchange}", ANSWER_TTL_S)
        except (OperationalError, RedisError, OSError) as error:
            logger.info("nobody hears an answer to remote control: %s", one_line(error))


class HastyControl(Control):
    """Celery's remote control, with that mailbox."""

    Mailbox = HastyMailbox
