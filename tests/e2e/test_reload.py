"""`athena serve --reload`: a developer edits while callers call."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ECHO, Stack, free_port, wait_until
from tests.e2e.test_edits import Site
from tests.e2e.test_restarts import Clients

pytestmark = pytest.mark.e2e

ANSWER = "answer.setData(text"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "echo"
    shutil.copytree(ECHO, folder)
    # These tests change the answer on purpose, and no worker serves that misses it.
    (folder / "golden.json").unlink()
    stack = Stack(tmp_path, free_port(), free_port(), "--ability", str(folder), "--reload")
    try:
        stack.wait_ready()
        yield Site(folder, stack)
    finally:
        stack.stop()


def test_edits_are_served_when_they_load_and_fail_no_call(site: Site) -> None:
    stack, wrapper = site.stack, site.toml.parent / "wrapper.py"
    source = wrapper.read_text()
    assert ANSWER in source
    place = len(source.splitlines()) + 1

    def says(word: str) -> bool:
        return word in stack.post("/echo", {"text": "x"}).text

    def edit(text: str) -> None:
        wrapper.write_text(text)

    def tells(reason: str) -> None:
        wait_until(lambda: reason in (site.failure() or ""), 60, f"it is told: {reason}")

    def logs(reason: str) -> None:
        wait_until(lambda: reason in stack.log, 60, f"it is logged: {reason}")

    def answers_after(served: int) -> None:
        wait_until(lambda: clients.answers[0] > served + 50, 60, "calls are answered")

    clients = Clients(stack.url)
    try:
        wait_until(lambda: clients.answers[0] > 100, 60, "load")
        edit(source.replace(ANSWER, f"{ANSWER} + b'first'"))
        wait_until(lambda: says("first"), 60, "the edit is served")

        # What is no Python is seen before anything is loaded, what does not load before anything ends.
        for broken, reason in (
            ("def broken(:\n", f"{wrapper}, line {place}: this is not Python: "),
            ("raise OSError('no model')\n", f"OSError: no model (wrapper.py:{place} in <module>)"),
        ):
            served = clients.answers[0]
            edit(source + broken)
            tells(reason)
            logs(reason)
            assert reason in site.athena("workers", "ls").stdout
            answers_after(served)
            assert says("first")

        edit(source.replace(ANSWER, f"{ANSWER} + b'second'"))
        wait_until(lambda: says("second"), 60, "the mended file is served")
        wait_until(lambda: site.failure() is None, 60, "nothing is wrong any more")
    finally:
        clients.stop()

    assert set(clients.answers) == {0}, clients.answers
    assert "killed by" not in stack.log


def test_edit_of_the_number_of_workers_is_followed(site: Site) -> None:
    site.edit("cpu_workers = 1", "cpu_workers = 2")

    wait_until(lambda: len(site.workers()) == 2, 60, "there are two")
    wait_until(lambda: "echo was edited (ability.toml)" in site.stack.log, 30, "the supervisor's line")


def test_worker_that_is_down_is_started_at_once_when_its_file_is_mended(site: Site) -> None:
    wrapper = site.toml.parent / "wrapper.py"
    source = wrapper.read_text()
    wrapper.write_text(f"{source}raise OSError('no model')\n")
    wait_until(lambda: "serves on as before" in site.stack.log, 60, "it was tried")
    site.stack.child("-m", "workers").kill()
    wait_until(lambda: site.stack.log.count("it could not start") >= 3, 60, "it is down")

    wrapper.write_text(source)

    wait_until(site.answers, 60, "it serves")
