"""The arithmetic of the measurements: ratios within a round, percentiles, numbers as text."""

from collections.abc import Mapping, Sequence
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the value that `share` percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 100)
    return ordered[max(0, int(rank) - 1)]


def median_ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """Returns the median of the ratios within each round: both saw the machine in the same state.

    Raises:
        ZeroDivisionError: theirs is 0 in a round.
    """
    return float(median([one / other for one, other in zip(mine, theirs, strict=True)]))


def spread(values: Sequence[float]) -> float:
    """Returns how far the rounds lie apart: (largest - smallest) / median."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def per_request_us(
    before: Mapping[str, float], after: Mapping[str, float], requests: int
) -> dict[str, float]:
    """Returns the processor time of a request by part; a process that ended meanwhile counts as idle."""
    return {
        part: max(0.0, used - before.get(part, 0.0)) / max(1, requests) * 1e6 for part, used in after.items()
    }


def shown(value: float | None) -> str:
    """Returns a number with the digits that mean something."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
