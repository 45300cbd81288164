from api.samples.kept import KeptLines
from athena.store.books.counts import Queue, Survey, read_counts
from athena.telemetry.metrics import JOBS_SUBMITTED

QUEUE = Queue("echo.any", 0, 0.0, False, 5)


def survey(counts: bytes = b"end succeeded cpu\n5", queue: Queue = QUEUE) -> Survey:
    return Survey("echo", read_counts(counts), (queue,), 0, 0, 0, 0, counts)


def test_lines_stay_while_nothing_happens_and_change_with_what_does() -> None:
    kept = KeptLines()

    first = kept.lines(survey(), True, False, {})

    assert kept.lines(survey(), True, False, {}) is first
    assert kept.lines(survey(b"end succeeded cpu\n6"), True, False, {}) != first
    later = kept.lines(survey(queue=_given(6)), True, False, {})
    assert dict(later)[JOBS_SUBMITTED] == ['athena_jobs_submitted_total{service_id="echo",lane="normal"} 6']


def _given(count: int) -> Queue:
    return Queue("echo.any", 0, 0.0, False, count)


def test_ability_that_is_gone_is_forgotten() -> None:
    kept = KeptLines()
    first = kept.lines(survey(), True, False, {})

    kept.forget_others(["other"])

    assert kept.lines(survey(), True, False, {}) is not first
