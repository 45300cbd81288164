"""Which gateway sends an ability's example through the queue, and how it fared.

One sends it for all: whoever claims the ability's turn first.
"""

from athena.fleet.canary import CanaryReport
from athena.operations.steps import Steps
from athena.store.keys import CANARIES, canary_key, line_key, load_key
from athena.store.scripts import pairs


def read_reports() -> Steps[dict[bytes, bytes]]:
    """Returns how the last canaries fared, as `CanaryReport` encodes it."""
    return pairs((yield ("HGETALL", CANARIES)))


def claim_turn(service_id: str, gateway: str, hold_s: float) -> Steps[bool]:
    """Claims the right to send the next canary; returns whether it was free.

    Args:
        service_id: the ability.
        gateway: id of the gateway that wants to send it.
        hold_s: after so long somebody else may, if this gateway is heard of no more (see `end_turn`).
    """
    answer = yield ("SET", canary_key(service_id), gateway, "NX", "PX", int(hold_s * 1000))
    return answer is not None


def end_turn(service_id: str, report: CanaryReport | None, next_s: float) -> Steps[None]:
    """Tells how the canary fared, None if that is not known, and when the next one is due."""
    if report is not None:
        yield ("HSET", CANARIES, service_id, report.encode())
    yield ("PEXPIRE", canary_key(service_id), max(1, int(next_s * 1000)))


def count_ended(service_id: str) -> Steps[int]:
    """Returns how many jobs of an ability have ended since it is known."""
    return int((yield ("HGET", load_key(service_id), "ended")) or 0)


def is_paused(queue: str) -> Steps[bool]:
    """Returns whether an operator has paused a queue."""
    return bool((yield ("HEXISTS", line_key(queue), "paused")))
