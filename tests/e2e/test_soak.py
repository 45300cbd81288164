"""A soak of some seconds: requests are answered as they should be, and the processes are looked at."""

import argparse
import json
from pathlib import Path

import pytest

from tests.soak.__main__ import soak

pytestmark = pytest.mark.e2e


def test_soak_of_some_seconds_finds_nothing_wrong(tmp_path: Path) -> None:
    options = argparse.Namespace(minutes=0.15, rate=30.0, ocr_rate=0.0, seed=1, log=None)

    report = soak(tmp_path, options)

    assert report.is_good, report.text()
    assert {kind.name for kind in report.kinds} >= {
        "echo",
        "echo, async and polled",
        "bad request",
        "question",
    }
    document = json.loads(json.dumps(report.document()))
    roles = {sample["role"] for sample in document["readings"][-1]["samples"].values()}
    assert roles == {"supervisor", "redis", "gateway", "worker echo", "flower"}
    assert "worker deaths   0" in report.text()
