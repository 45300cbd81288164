"""Supervisors that end by themselves come back, as those of a service manager do."""

from pathlib import Path

from tests.chaos.keeper import Keeper
from tests.chaos.stage import LEDGER, Host
from tests.chaos.waiting import wait_for
from tests.ports import free_port

LIMIT_S = 60.0


def test_supervisor_whose_redis_is_away_is_started_again_until_nobody_wants_it(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    host = Host("far", tmp_path, ["workers", "--ability", str(LEDGER), "--redis", url], {})
    ends: list[tuple[str, str]] = []
    keeper = Keeper([host], lambda *end: ends.append(end))
    host.start()
    keeper.start()
    try:
        wait_for(lambda: len(ends) == 2, LIMIT_S, "it has ended twice")
        wait_for(lambda: not host.end, LIMIT_S, "it is started once more")
    finally:
        host.kill()
        keeper.stop()

    assert ends[:2] == [("far", "exit status 78")] * 2
    assert host.log.count("Redis") >= 2
    assert host.end == ""
