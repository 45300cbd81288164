"""Whether the metrics count what the jobs' records say, after all that was broken.

Records and counts are written by the same steps, so neither a death nor a Redis that goes back to an older
state may part them. Only jobs of `ledger` are looked at: all have names, so their records stay for a day.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from athena.operations.steps import run_steps
from athena.operations.surveys import survey_abilities
from athena.store.books.counts import Survey
from athena.store.link import BlockingLink
from tests.chaos.envelopes import LEDGER

TIMEOUT_S = 10.0

CHUNK = 500

#: `abandonable` of a gateway's own example, which is in no metric.
CANARY = b"2"


def wrong_counts(redis_url: str, client: Any) -> list[str]:
    """Returns a sentence for each number that is wrong; to be called when no job is open."""
    link = BlockingLink(redis_url, TIMEOUT_S)
    try:
        (survey,) = run_steps(survey_abilities([LEDGER]), link.execute)
    finally:
        link.close()
    return differences(recorded_states(client), survey)


def recorded_states(client: Any) -> dict[str, str]:
    """Returns job -> state, of all jobs that have a record."""
    keys = list(client.scan_iter("athena:job:*", count=1000))
    states: dict[str, str] = {}
    for first in range(0, len(keys), CHUNK):
        chunk = keys[first : first + CHUNK]
        with client.pipeline(transaction=False) as pipe:
            for key in chunk:
                pipe.hmget(key, "service_id", "state", "abandonable")
            for key, record in zip(chunk, pipe.execute(), strict=True):
                states |= _state_of(key, record)
    return states


def _state_of(key: bytes, record: list[Any]) -> dict[str, str]:
    service_id, state, abandonable = record
    if service_id != LEDGER.encode() or abandonable == CANARY:
        return {}
    return {key.decode().removeprefix("athena:job:"): state.decode()}


def differences(states: Mapping[str, str], survey: Survey) -> list[str]:
    """Compares jobs' states by their ids with what is counted."""
    truth = Counter(states.values())
    counted: Counter[str] = Counter()
    for (state, _), count in survey.counts.of("end").items():
        counted[state] += count
    found = [
        f"{LEDGER}: {counted[state]} jobs are counted as {state}, {truth[state]} are recorded so"
        for state in sorted(truth.keys() | counted.keys())
        if counted[state] != truth[state]
    ]
    submitted = sum(survey.submitted().values())
    if submitted != len(states):
        found.append(f"{LEDGER}: {submitted} jobs are counted as accepted, {len(states)} are recorded")
    return found
