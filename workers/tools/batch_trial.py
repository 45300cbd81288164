"""Runs an example and variations of it in batches, and compares each answer with the one that it gets alone.

What a model does in a batch nobody sees: the callers of the others get wrong answers, with code 0.
"""

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from athena.ability.findings import Severity
from athena.errors import AthenaError
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.protocol.envelope import new_job_id
from workers.batching.jobs import BatchJob
from workers.runtime.batch_trust import BatchFault
from workers.runtime.inference import Inference
from workers.tools.distance import Distance, distance
from workers.tools.variations import Variation, variations_of

#: How long batches are tried. Those of two, in both orders, are tried in any case.
MAX_TRIAL_S = 10.0

#: The example, a quiet and a loud one, or a short and a long one.
MIN_MEMBERS = 3

RUNS_ALONE = (
    "run the model for each job alone in wrapperBatchExec, or take max_batch out of ability.toml; "
    "docs/wrappers.md tells which models answer otherwise in a batch"
)


class BatchFinding(NamedTuple):
    """What is wrong with an ability's batches."""

    severity: Severity
    rule: str
    text: str
    remedy: str


class Member(NamedTuple):
    """A request that is answered alone, and what it is answered."""

    variation: Variation
    answer: bytes


class BatchTrial:
    """The batches of one ability.

    Args:
        inference: it, loaded.
        max_batch: so many jobs may share a call.
        tolerance: how far an answer in a batch may be from the one that a request gets alone.

    Attributes:
        count: how many batches were run.
        largest: how many jobs the largest one had.
    """

    def __init__(self, inference: Inference, max_batch: int, tolerance: float) -> None:
        self.count = 0
        self.largest = 1
        self._inference = inference
        self._max_batch = max_batch
        self._tolerance = tolerance
        self._began_s = 0.0
        self._costs_s: list[float] = []
        self._worst = Distance()
        self._worst_of = ""
        self._first: Member | None = None

    def run(self, example: object) -> Iterator[BatchFinding]:
        """Runs batches; returns what is wrong with them.

        Raises:
            RequestError: the example is no valid request.
        """
        self._began_s = time.monotonic()
        members = list(self._members(example))
        self._first = members[0] if members else None
        if not members or not self._is_steady(members[0]):
            yield from self._unsteady(members)
            return
        swapped = ""
        for batch in self._batches(members):
            outcomes = self._run(batch)
            fault = self._fault()
            if fault is not None:
                yield fault
                return
            swapped = swapped or self._compare(batch, outcomes)
        yield from self._verdicts(swapped, members)

    def fill(self) -> None:
        """Runs a batch of as many jobs as may be, if none was run and none has failed: memory is of it."""
        if self._first is None or self.largest >= self._max_batch or self._fault() is not None:
            return
        self._run([self._first] * self._max_batch)

    def _members(self, example: object) -> Iterator[Member]:
        seen = set()
        for variation in variations_of(self._inference.message_of(new_job_id(), example)):
            answer = self._alone(variation)
            inputs = tuple(item.text for item in variation.message.inputs)
            if answer is not None and inputs not in seen:
                seen.add(inputs)
                yield Member(variation, answer)
            if len(seen) >= MIN_MEMBERS and time.monotonic() - self._began_s > MAX_TRIAL_S / 2:
                return

    def _alone(self, variation: Variation) -> bytes | None:
        """Returns the answer to a request; None for one that is none to this ability."""
        began_s = time.monotonic()
        try:
            outcome = self._inference.run_one(variation.message)
        except AthenaError:
            return None
        self._costs_s.append(time.monotonic() - began_s)
        return outcome.payload if outcome.state is JobState.SUCCEEDED else None

    def _is_steady(self, member: Member) -> bool:
        """Whether a request gets the same answer when it is sent alone again."""
        again = self._alone(member.variation)
        return again is not None and distance(member.answer, again).size <= self._tolerance

    def _unsteady(self, members: Sequence[Member]) -> Iterator[BatchFinding]:
        if members:
            yield BatchFinding(
                Severity.NOTE,
                "batch-unproven",
                "the same request alone gets another answer each time, so answers in batches were not "
                "compared",
                "a seed in [config] or a parameter makes answers comparable",
            )

    def _batches(self, members: list[Member]) -> Iterator[list[Member]]:
        """Yields batches of several sizes and orders, as long as there is time."""
        # A quiet and a loud one, a short and a long one.
        pair = members[1:3] if len(members) > 2 else [members[0], members[-1]]
        yield [*pair]
        yield [*reversed(pair)]
        circle = [*members] * math.ceil(self._max_batch / len(members))
        # Neither sorted by size nor by its reverse, whatever a wrapper sorts by.
        mixed = [*members[1::2], *members[::2]]
        for batch in ([*members], [*reversed(members)], mixed, [*mixed[1:], *mixed[:1]], [*reversed(circle)]):
            chosen = batch[: self._max_batch]
            if self._has_time_for(len(chosen)):
                yield chosen

    def _has_time_for(self, jobs: int) -> bool:
        spent_s = time.monotonic() - self._began_s
        return spent_s + jobs * statistics.median(self._costs_s) < MAX_TRIAL_S

    def _run(self, batch: Sequence[Member]) -> list[Outcome]:
        self.count += 1
        self.largest = max(self.largest, len(batch))
        messages = [member.variation.message._replace(job_id=new_job_id()) for member in batch]
        outcomes = self._inference.run([BatchJob(message.job_id, message) for message in messages])
        self._inference.restore()
        return outcomes

    def _fault(self) -> BatchFinding | None:
        """Returns what is wrong with a batch that failed as a whole."""
        trust = self._inference.dispatcher.trust
        if trust.fault is BatchFault.COUNT:
            return BatchFinding(
                Severity.ERROR,
                "batch-count",
                trust.text,
                "return one item for each job, in their order; an exception as an item fails its job alone",
            )
        if trust.fault is BatchFault.RAISED:
            return BatchFinding(
                Severity.WARNING,
                "batch-raises",
                f"requests that are answered alone fail as a batch: {trust.text}",
                "inputs of several sizes have to be padded, or run alone; a worker that meets such batches "
                "stops batching",
            )
        return None

    def _compare(self, batch: Sequence[Member], outcomes: Sequence[Outcome]) -> str:
        """Takes in the answers of a batch; returns who got another's answer, "" if nobody did."""
        swapped = ""
        for member, outcome in zip(batch, outcomes, strict=True):
            found = self._distance(member, outcome)
            if found.size <= self._tolerance:
                continue
            other = next((one for one in batch if self._distance(one, outcome).size <= self._tolerance), None)
            if other is not None:
                swapped = f"{_name(member)} request got the answer of {_name(other)} one"
            if found.size > self._worst.size:
                self._worst = found
                self._worst_of = f"{_name(member)} request in a batch of {len(batch)}"
        return swapped

    def _distance(self, member: Member, outcome: Outcome) -> Distance:
        if outcome.state is not JobState.SUCCEEDED:
            return Distance(math.inf, f"/ (it failed: {outcome.message})")
        return distance(member.answer, outcome.payload)

    def _verdicts(self, swapped: str, members: Sequence[Member]) -> Iterator[BatchFinding]:
        if swapped:
            yield BatchFinding(
                Severity.ERROR,
                "batch-order",
                f"a batch gives callers the answers of others: {swapped}",
                "return the answers in the order of the requests; undo a sort before returning",
            )
        elif self._worst.size > self._tolerance:
            yield self._differs()
        elif all(distance(members[0].answer, one.answer).size <= self._tolerance for one in members[1:]):
            yield BatchFinding(
                Severity.NOTE,
                "batch-unproven",
                f"{len(members)} requests were made of the example and all have the same answer, so answers "
                "that a batch swaps would not show",
                "take an example with a text, JSON, a WAV sound or a picture (with Pillow installed) whose "
                "answer changes when it is shorter, quieter or turned",
            )

    def _differs(self) -> BatchFinding:
        size, place = self._worst
        # A text, a length or a name: there is no number for it.
        by = f"by {size:.3g} of its largest number" if math.isfinite(size) else "in more than numbers"
        return BatchFinding(
            Severity.ERROR,
            "batch-differs",
            f"the answer to {self._worst_of} differs {by} from the one it gets alone, at {place} "
            f"(worker.batch_tolerance is {self._tolerance:g})",
            RUNS_ALONE,
        )


def _name(member: Member) -> str:
    return f"the {member.variation.name}"
