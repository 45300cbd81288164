"""What is counted of abilities, written once for as long as it stays the same."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.samples.gateways import http_samples
from api.samples.jobs import Examples, job_samples
from athena.store.books.counts import Survey
from athena.telemetry.exposition import Lines, written
from athena.telemetry.metrics import Sample


class KeptLines:
    """Lines of the last scrape; of a large fleet most abilities did nothing since."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bool], tuple[Any, Lines]] = {}

    def lines(self, survey: Survey, is_served: bool, is_open: bool, examples: Examples) -> Lines:
        """Returns what is counted of an ability, or of requests for none.

        Args:
            survey: what Redis has told.
            is_served: whether it is an ability that there is.
            is_open: whether the lines are OpenMetrics.
            examples: traces that show its times.
        """
        place, told = (survey.service_id, is_open), _told(survey, is_served, examples)
        known = self._kept.get(place)
        if known is None or known[0] != told:
            known = self._kept[place] = (told, written(_samples(survey, is_served, examples), is_open))
        return known[1]

    def forget_others(self, service_ids: Iterable[str]) -> None:
        """Drops the lines of abilities that are gone."""
        present = set(service_ids)
        self._kept = {place: known for place, known in self._kept.items() if place[0] in present}


def _told(survey: Survey, is_served: bool, examples: Examples) -> Any:
    """Returns all that the lines depend on."""
    given = [(queue.name, queue.given_in) for queue in survey.queues]
    numbers = (survey.open_jobs, survey.put_off_jobs, survey.retries, survey.breaks)
    return survey.lines, given, numbers, is_served, examples


def _samples(survey: Survey, is_served: bool, examples: Examples) -> Iterator[Sample]:
    yield from http_samples(survey.service_id, survey.counts, examples)
    if is_served:
        yield from job_samples(survey, examples)
