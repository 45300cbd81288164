"""What a scaler goes by, and how loaded an ability is."""

from api.samples.queues import demand_samples, load_samples
from athena.store.books.counts import Counts, Queue, Survey


def survey(*queues: tuple[str, int, bool]) -> Survey:
    found = tuple(Queue(name, jobs, 0.0, is_paused, 0) for name, jobs, is_paused in queues)
    return Survey("ocr", Counts(), found, 0, 0, 0, 0)


def demand(
    seen: Survey,
    slots: dict[str, int],
    held: dict[str, int] | None = None,
    types: dict[str, str] | None = None,
) -> dict[str, float]:
    return {
        sample.labels[1]: sample.value  # type: ignore[misc]
        for sample in demand_samples(seen, slots, held or {}, types or {})
    }


def test_demand_is_told_without_workers_and_without_jobs() -> None:
    assert demand(survey(), {"cpu": 0, "T4G16": 0}) == {"cpu": 0, "T4G16": 0}


def test_jobs_of_paused_queues_are_no_demand() -> None:
    seen = survey(("ocr.any", 7, True), ("ocr.any.high", 2, False))

    assert demand(seen, {"cpu": 0}) == {"cpu": 2}


def test_what_workers_hold_counts_so_that_none_ends_under_its_jobs() -> None:
    assert demand(survey(("ocr.any", 1, False)), {"cpu": 4}, {"cpu": 3}) == {"cpu": 4}


def test_jobs_for_any_type_are_divided_among_those_that_have_slots() -> None:
    seen = survey(("ocr.any", 8, False), ("ocr.T4G16", 1, False), ("ocr.GPU-1", 2, False))

    assert demand(seen, {"cpu": 2, "T4G16": 6}, types={"GPU-1": "T4G16"}) == {"cpu": 2, "T4G16": 9}


def test_load_is_demand_by_slots_and_the_number_of_jobs_without() -> None:
    seen = survey(("ocr.T4G16", 6, False), ("ocr.cpu", 3, False))

    load = {sample.labels[1]: sample.value for sample in load_samples(seen, {"T4G16": 4, "cpu": 0}, {}, {})}

    assert load == {"T4G16": 1.5, "cpu": 3}
