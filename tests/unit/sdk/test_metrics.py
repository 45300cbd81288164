from collections.abc import Iterator

import pytest

from athena.sdk import metrics


@pytest.fixture(autouse=True)
def nothing_declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(metrics, "_metrics", {})
    yield


def test_counter_grows_by_series_and_tells_what_is_new() -> None:
    pages = metrics.counter("pages", "pages", labels=("kind",))
    pages.add(kind="scan")
    pages.add(2, kind="scan")
    pages.add(5, kind="photo")

    told = {change.labels: change.value for change in metrics.take_changes()}

    assert told == {("scan",): 3, ("photo",): 5}
    assert metrics.take_changes() == []


def test_histogram_tells_buckets_and_sum() -> None:
    seconds = metrics.histogram("seconds", "times", buckets=(0.1, 1))
    for value in (0.1, 0.5, 7):
        seconds.observe(value)

    (change,) = metrics.take_changes()
    assert (change.value, change.buckets) == (7.6, (1, 1, 1))


def test_gauge_tells_its_last_value() -> None:
    cached = metrics.gauge("cached", "models")
    cached.set(1)
    cached.set(2)

    assert [change.value for change in metrics.take_changes()] == [2]


def test_declared_again_it_is_the_same() -> None:
    assert metrics.counter("pages", "pages") is metrics.counter("pages", "pages")
    with pytest.raises(ValueError, match="another metric"):
        metrics.gauge("pages", "pages")


def test_series_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    pages = metrics.counter("pages", "pages", labels=("page",))
    for number in range(metrics.MAX_SERIES + 50):
        pages.add(page=number)

    assert len(metrics.take_changes()) == metrics.MAX_SERIES
    assert caplog.text.count("more are left out") == 1


@pytest.mark.parametrize("name", ["Pages", "", "9", "pages_total", "a b", "a" * 80])
def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        metrics.counter(name, "x")


def test_wrong_labels_values_and_buckets_are_refused() -> None:
    pages = metrics.counter("pages", "x", labels=("kind",))
    with pytest.raises(ValueError, match="has the labels kind"):
        pages.add(1)
    with pytest.raises(ValueError, match="grows by 0 or more"):
        pages.add(-1, kind="x")
    with pytest.raises(ValueError, match="is a number"):
        metrics.gauge("g", "x").set(float("nan"))
    with pytest.raises(ValueError, match="that rise"):
        metrics.histogram("h", "x", buckets=(2, 1))
    for label in ("service_id", "worker", "le", "Kind"):
        with pytest.raises(ValueError, match="cannot be a label"):
            metrics.counter("c", "x", labels=(label,))


def test_metrics_are_bounded() -> None:
    for number in range(metrics.MAX_METRICS):
        metrics.counter(f"c{number}", "x")
    with pytest.raises(ValueError, match="at most 20 metrics"):
        metrics.counter("more", "x")
