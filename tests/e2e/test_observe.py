"""`make observe`: what happens is seen in Prometheus and in Flower, and alerts reach Alertmanager."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from athena import cli
from tests.alerts import MONITORING
from tests.e2e.conftest import ATHENA, ECHO, ROOT, example, wait_until
from tests.e2e.observed import ObservedStack, observing, quick_rules

pytestmark = pytest.mark.e2e

#: Within this time a job has to be seen, on a machine that does nothing else.
VISIBLE_WITHIN_S = 15

#: Flower saves every 10 s what it knows; one save takes less than this.
SAVED_WITHIN_S = 3


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedStack]:
    configuration = str(MONITORING / "flower" / "flowerconfig.py")
    with observing(tmp_path_factory.mktemp("observed"), ECHO, FLOWER_CONF=configuration) as running:
        yield running


def test_make_observe_starts_what_this_file_tests() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert f"exec {ObservedStack.before[0].removeprefix(f'{ROOT}/')} $(VENV)/bin/athena serve" in makefile


def test_a_job_is_seen_in_prometheus_and_flower(observed: ObservedStack) -> None:
    prometheus = observed.prometheus
    wait_until(lambda: prometheus.value('up{job="athena"}') == 1, 60, "Prometheus scrapes the gateway")
    # Flower listens to events some time after it answers.
    sent: list[str] = []
    wait_until(lambda: _shows_one_of(observed, sent), 90, "Flower hears of jobs")
    counted = 'sum(athena_jobs_finished_total{service_id="echo",outcome="succeeded"})'
    before = prometheus.value(counted) or 0
    began_s = time.monotonic()

    sid = observed.post("/echo", example("echo")).json()["header"]["sid"]

    wait_until(lambda: (prometheus.value(counted) or 0) > before, 60, "Prometheus has counted it")
    print(f"in Prometheus after {time.monotonic() - began_s:.1f} s (on an idle machine: {VISIBLE_WITHIN_S})")
    wait_until(lambda: _is_in_flower(observed, sid), 60, "Flower shows it")
    print(f"in Flower after {time.monotonic() - began_s:.1f} s")


def test_a_job_is_seen_in_top_and_logs(observed: ObservedStack) -> None:
    began_s = time.monotonic()
    sid = observed.post("/echo", example("echo")).json()["header"]["sid"]

    wait_until(
        lambda: sid in _printed("logs", sid, "--data", str(observed.data_dir)), 60, "athena logs has it"
    )
    print(f"in athena logs after {time.monotonic() - began_s:.1f} s (on an idle machine: {VISIBLE_WITHIN_S})")
    wait_until(lambda: _is_in_top(observed), 90, "athena top counts one")


def _is_in_top(stack: ObservedStack) -> bool:
    """Whether `athena top` counts a job that is sent between its two looks."""
    sender = threading.Timer(1, lambda: stack.post("/echo", example("echo")))
    sender.start()
    shown = json.loads(_printed("top", "--json", "--redis", stack.redis_url, "--every", "3"))
    sender.join()
    return any(item["service_id"] == "echo" and item["done_per_s"] > 0 for item in shown["abilities"])


def _printed(*words: str) -> str:
    return subprocess.run([*ATHENA, *words], capture_output=True, text=True, timeout=120).stdout


def test_flower_remembers_what_it_has_seen(observed: ObservedStack) -> None:
    sent: list[str] = []
    wait_until(lambda: _shows_one_of(observed, sent), 90, "Flower hears of jobs")
    # A save that had begun by then knows nothing of it.
    shown_s = time.time() + SAVED_WITHIN_S
    wait_until(lambda: _saved_s(observed) > shown_s, 60, "it is on the disk")
    before = observed.child("flower")

    before.kill()

    wait_until(lambda: observed.children("flower") not in ([], [before]), 60, "another Flower is there")
    wait_until(
        lambda: _answers(observed) and any(_is_in_flower(observed, sid) for sid in sent), 60, "jobs are"
    )


def test_a_scrape_and_a_round_of_rules_fit_into_the_time() -> None:
    text = (ROOT / "monitoring" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    times_s = [int(line.split()[1][:-1]) for line in text.splitlines() if "_interval:" in line]

    assert len(times_s) == 2 and sum(times_s) <= VISIBLE_WITHIN_S


def test_nothing_fires_while_nothing_is_wrong(observed: ObservedStack) -> None:
    observed.post("/echo", example("echo"))

    assert observed.prometheus.firing() == {}


def test_an_alert_reaches_alertmanager(observed: ObservedStack, tmp_path: Path) -> None:
    observed.reload_rules(quick_rules(tmp_path))
    assert cli.main(["queues", "pause", "echo", "--redis", observed.redis_url]) == 0
    job_id = observed.submit("echo", example("echo"))

    wait_until(lambda: "QueuePausedLong" in observed.prometheus.firing(), 60, "it fires")
    (alert,) = observed.prometheus.firing()["QueuePausedLong"]
    assert alert["labels"]["service_id"] == "echo"
    assert "echo.any has been paused" in alert["annotations"]["summary"]
    # A first message that finds no Alertmanager, as right after rules were loaded anew, is sent again after
    # a minute.
    wait_until(lambda: "QueuePausedLong" in observed.prometheus.delivered(), 180, "Alertmanager was told")

    assert cli.main(["queues", "resume", "echo", "--redis", observed.redis_url]) == 0
    observed.wait_state(job_id, "succeeded")
    wait_until(lambda: "QueuePausedLong" not in observed.prometheus.firing(), 60, "it has ended")


def _is_in_flower(stack: ObservedStack, sid: str) -> bool:
    # The page of a task that Flower does not know yet is a 404.
    return requests.get(f"{stack.flower_url}/task/{sid}", timeout=30).status_code == 200


def _shows_one_of(stack: ObservedStack, sent: list[str]) -> bool:
    """Sends one more job; whether Flower shows any of those that were sent."""
    sent.append(stack.post("/echo", example("echo")).json()["header"]["sid"])
    time.sleep(0.5)
    return any(_is_in_flower(stack, sid) for sid in sent)


def _saved_s(stack: ObservedStack) -> float:
    # What is still being written has another name.
    files = [path for path in stack.data_dir.glob("flower*") if ".tmp" not in path.name]
    return max((path.stat().st_mtime for path in files), default=0)


def _answers(stack: ObservedStack) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{stack.flower_url}/", timeout=30).status_code == 200
    return False
