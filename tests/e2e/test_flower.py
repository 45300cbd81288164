"""Flower, looked at in a real browser."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack, example, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

Browse = Callable[[str], str]


@pytest.fixture
def browse(stack: Stack, tmp_path: Path) -> Browse:
    """Opens a page of Flower, lets its scripts run, and returns the text that is seen."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    assert browser, "no Chromium: run scripts/install-chromium.sh"

    def browse(page: str) -> str:
        done = subprocess.run(
            [
                str(browser),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                f"--user-data-dir={tmp_path / 'browser'}",
                "--virtual-time-budget=10000",
                "--dump-dom",
                stack.flower_url + page,
            ],
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        text = re.sub(r"<(script|style).*?</\1>", " ", done.stdout, flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]*>", " ", text).split())

    return browse


def test_tasks_are_named_after_their_ability_and_show_state_runtime_worker_and_job(
    stack: Stack, browse: Browse
) -> None:
    sids = {
        service_id: stack.post(f"/{service_id}", example(service_id)).json()["header"]["sid"]
        for service_id in ("echo", "mmocr")
    }

    def ended() -> dict[str, str]:
        page = browse("/tasks")
        rows = {service_id: _row(page, sid) for service_id, sid in sids.items()}
        return rows if all("SUCCESS" in row for row in rows.values()) else {}

    rows = wait_until(ended, 60, "both tasks are shown as ended")
    for service_id, row in rows.items():
        assert service_id in row
        assert re.search(r"\d+\.\d+ m?s", row)


def test_a_task_page_shows_no_payload(stack: Stack, browse: Browse) -> None:
    request = example("echo")
    secret = request["payload"]["text"]["text"] = "c2VjcmV0IHdvcmRz"
    sid = stack.post("/echo", request).json()["header"]["sid"]

    page = wait_until(lambda: _with(browse(f"/task/{sid}"), "SUCCESS"), 60, "the task's page")

    assert "text: 12 bytes" in page
    assert secret not in page and "secret words" not in page


def test_the_broker_view_shows_the_queues_and_their_lengths(browse: Browse) -> None:
    page = wait_until(lambda: _with(browse("/broker"), "mmocr.cpu"), 60, "the broker view")

    for queue in ("echo.any", "echo.cpu", "mmocr.any", "mmocr.cpu"):
        assert re.search(rf"{re.escape(queue)} \d+", page)


def _row(page: str, sid: str) -> str:
    at = page.find(sid)
    return page[max(0, at - 20) : at + 150] if at >= 0 else ""


def _with(page: str, text: str) -> str:
    return page if text in page else ""
