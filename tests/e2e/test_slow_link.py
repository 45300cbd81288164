"""Workers far from their Redis: each journey there and back takes half a second."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.stage import Stage
from tests.chaos.waiting import START_TIMEOUT_S, wait_for
from tests.proxy import Mode

pytestmark = pytest.mark.e2e

#: One way. A worker that starts asks Redis a dozen times, and so may its supervisor between two heartbeats:
#: if that waits for each answer, it is silent for longer than a heart may be (5 s).
DELAY_S = 0.25


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Two hosts, one behind a proxy."""
    stage = Stage(tmp_path)
    try:
        stage.start()
        yield stage
    finally:
        stage.stop()


def test_worker_that_takes_long_to_become_ready_is_not_taken_for_dead(stage: Stage) -> None:
    stage.far.kill()
    stage.proxy.delay_s = DELAY_S
    with stage.proxy.broken(Mode.SLOW):
        before = len(stage.far.log)
        stage.far.start()
        wait_for(lambda: "is ready" in stage.far.log[before:], START_TIMEOUT_S, "the worker is ready")
        said = stage.far.log[before:]

    assert "fenced" not in said, said
