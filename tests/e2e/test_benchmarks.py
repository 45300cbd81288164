"""Benchmarks that stand on parts of Athena: they still run, and what they check is so."""

from pathlib import Path

import pytest

from benchmarks.fleet import FLEET, measure, table

pytestmark = pytest.mark.e2e


def test_fleet_of_16_gpus_works_off_its_backlog_with_no_job_on_a_wrong_type(tmp_path: Path) -> None:
    # Shorter rounds have no time for jobs of the high lane.
    (result,) = measure(tmp_path, rounds=1, seconds=6)

    # Raises when a job did not run.
    assert result.jobs > 1000
    assert result.wrong_type == 0
    assert set(result.utilization) == set(FLEET)
    assert result.high_wait_p50_ms > 0
    assert "A100G80" in table([result])
