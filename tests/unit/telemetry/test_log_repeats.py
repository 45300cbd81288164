"""What a library says again and again is written once a minute."""

import io
import logging

import pytest

from athena.telemetry import logs
from athena.telemetry.log_repeats import EVERY_S, RepeatFilter

AWAY = "collector away, retrying in %.2f s"


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def passes(clock: Clock) -> RepeatFilter:
    return RepeatFilter(clock)


def record(name: str, message: str, *args: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, args, None)


def test_record_like_one_of_just_now_is_left_out(passes: RepeatFilter, clock: Clock) -> None:
    told = []
    for second in range(int(EVERY_S) + 2):
        clock.now_s = 1000.0 + second
        if passes.filter(record("opentelemetry.exporter", AWAY, second)):
            told.append(second)

    assert told == [0, int(EVERY_S)]


def test_others_are_passed(passes: RepeatFilter) -> None:
    assert passes.filter(record("opentelemetry.exporter", AWAY, 1))
    assert passes.filter(record("opentelemetry.exporter", "another"))
    assert passes.filter(record("opentelemetry.exporter", AWAY, 1, level=logging.ERROR))
    assert passes.filter(record("opentelemetry.sdk", AWAY, 1))
    for name in ("athena.jobs", "wrapper", "opentelemetryish"):
        assert [passes.filter(record(name, "x")) for _ in range(3)] == [True] * 3


def test_texts_without_arguments_do_not_heap_up(passes: RepeatFilter, clock: Clock) -> None:
    for second in range(1000):
        clock.now_s += 1
        assert passes.filter(record("opentelemetry.exporter", f"failed at {second}"))

    assert len(passes._passed_s) <= EVERY_S


def test_process_writes_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.INFO)
    logs.configure_logs("INFO")

    for second in range(5):
        logging.getLogger("opentelemetry.exporter.otlp").warning(AWAY, second)
        logging.getLogger("wrapper").warning("mine")

    assert (shown.getvalue().count("collector away"), shown.getvalue().count("mine")) == (1, 5)
