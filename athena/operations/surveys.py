"""What metrics tell of abilities."""

from collections.abc import Sequence

from athena.fleet.gateway_report import GatewayReport, present_gateways
from athena.operations.steps import Step, Steps
from athena.store.books.counts import Survey, survey_command, surveys
from athena.store.keys import DEAD, GATEWAYS
from athena.store.scripts import pairs

#: Redis serves nobody else while it looks at so many.
ABILITIES_AT_ONCE = 20


def survey_abilities(service_ids: Sequence[str]) -> Steps[list[Survey]]:
    """Reads what metrics tell of abilities; those whose keys are of wrong kinds are left out."""
    parts = [
        service_ids[first : first + ABILITIES_AT_ONCE]
        for first in range(0, len(service_ids), ABILITIES_AT_ONCE)
    ]
    commands: list[Step] = [survey_command(part) for part in parts]
    replies = (yield commands) if commands else []
    return [survey for part, reply in zip(parts, replies, strict=True) for survey in surveys(part, reply)]


def count_dead_letters() -> Steps[int]:
    """Counts the dead letters of all abilities."""
    count: int = yield ("ZCARD", DEAD)
    return count


def list_gateways() -> Steps[list[tuple[GatewayReport, bool]]]:
    """Lists the gateways that have told of themselves within an hour, and whether each lives."""
    told, (seconds, microseconds) = yield [("HGETALL", GATEWAYS), ("TIME",)]
    now_ms = int(seconds) * 1000 + int(microseconds) // 1000
    return present_gateways(pairs(told), now_ms)


def ping() -> Steps[None]:
    """Asks Redis whether it is there."""
    yield ("PING",)
