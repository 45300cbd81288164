"""What each kind of fault has caused in a history: second runs, and how long callers waited."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tests.chaos.story import Span, Story

#: No fault went on at that time.
NONE = "none"


def text(story: Story) -> Iterator[str]:
    """Returns a table for people: by fault, how often it was made, and what came of it."""
    times = Counter(span.fault for span in story.spans)
    again, waits = second_runs(story), longest_waits_s(story)
    yield f"  {'what the faults caused':<32}{'times':>8}{'second runs':>14}{'longest call':>15}"
    for name in [*sorted(times), NONE]:
        wait = f"{waits.get(name, 0):.1f} s"
        yield f"  {name:<32}{times[name]:>8}{again[name]:>14}{wait:>15}"


def second_runs(story: Story) -> Counter[str]:
    """Returns how many runs followed an earlier one of their job, by the fault between the two.

    A job that was tried again by its caller runs again for that.
    """
    found: Counter[str] = Counter()
    for job in story.jobs.values():
        if job.name in story.retried or not job.is_named:
            continue
        for first, second in pairwise(job.runs):
            found[_name(_between(story.spans, first.began_s, second.began_s))] += 1
    return found


def longest_waits_s(story: Story) -> dict[str, float]:
    """Returns how long the longest call took, by the fault that went on meanwhile."""
    found: dict[str, float] = defaultdict(float)
    for job in story.jobs.values():
        for seen in job.seen:
            name = _name(_between(story.spans, seen.sent_s, seen.heard_s))
            found[name] = max(found[name], seen.heard_s - seen.sent_s)
    return dict(found)


def _between(spans: Iterable[Span], from_s: float, until_s: float) -> Span | None:
    """Returns the fault that began last of those that went on in a time; first those that touch workers."""
    going_on = [span for span in spans if span.overlaps(from_s, until_s)]
    return max(going_on, key=lambda span: (bool(span.severs or span.stops), span.from_s), default=None)


def _name(span: Span | None) -> str:
    return span.fault if span else NONE
