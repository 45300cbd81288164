"""How long everything may take: what the first line of a history tells the checker."""

from tests.chaos.caller import PATIENCE_S
from tests.chaos.history import History
from tests.chaos.stage import GRACE_S, RECORD_TTL_S, Stage

#: A job is poisoned when so many processes have ended under it.
MAX_ATTEMPTS = 3

#: How long it may take until every job that was accepted has ended, when nothing is broken any more.
END_S = 120.0

#: How long a job may take of which one fault after the other keeps workers.
WITHIN_S = 300.0

#: How long a call may take that lasts `LONG_S` and meets no fault; the machine may be slow.
CALM_S = 40.0

#: How long a worker may begin a job after its end was told: it asks twice a second which were canceled.
HEEDED_S = 3.0


def tell_limits(stage: Stage, history: History, seed: int) -> None:
    """Notes the limits of a run."""
    history.note(
        "settings",
        seed=seed,
        record_ttl_s=RECORD_TTL_S,
        within_s=WITHIN_S,
        patience_s=PATIENCE_S,
        calm_s=CALM_S,
        heeded_s=HEEDED_S,
        grace_s=GRACE_S,
        max_attempts=MAX_ATTEMPTS,
        gateways=stage.urls,
        services=stage.services,
    )
