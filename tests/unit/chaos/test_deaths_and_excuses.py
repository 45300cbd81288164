"""What a run of chaos says of the faults it made: which ends they explain, and what is excused."""

import time
from pathlib import Path

import pytest

from tests.chaos.deaths import (
    DIED,
    FENCED,
    KILLED,
    NOT_STARTED,
    Deaths,
    End,
    Expected,
    SupervisorLog,
    attribute,
)
from tests.chaos.load import Accepted
from tests.chaos.redis_server import Loss
from tests.chaos.verdict import fault_of

LOG = "2026-11-29 05:38:48,981 {} 28941 athena.supervisor.worker_child: worker ledger{}"
AGAIN = "; starting it again now"


def read(*lines: str) -> list[tuple[str, str]]:
    """Returns the ends that a supervisor's lines tell of: child and how."""
    log = SupervisorLog("near")
    return [(end.child, end.how) for line in lines for end in log.read(line, 1.0)]


def expected(
    fault: str, how: str = KILLED, count: int = 1, from_s: float = 10, until_s: float = 20
) -> Expected:
    """Returns what a fault may cause at host near, from 10 s to 20 s."""
    return Expected(fault, ("near",), "worker", (how,), count, from_s, until_s)


def end(at_s: float, how: str = KILLED, host: str = "near", child: str = "worker") -> End:
    """Returns the end of a process."""
    return End(host, child, how, at_s)


# what supervisors say


def test_end_that_was_asked_for_is_none() -> None:
    assert read("athena: worker ledger ended: it was asked to; starting it again") == []
    assert read("athena: worker ledger is ready again", "athena: stopping") == []


@pytest.mark.parametrize("child", ["worker ledger", "gateway"])
def test_end_is_told_with_its_status(child: str) -> None:
    assert read(f"athena: {child} ended (killed by SIGKILL){AGAIN}") == [(child.split()[0], KILLED)]


@pytest.mark.parametrize(
    "lines",
    [
        [f"athena: worker ledger ended (exit status 70){AGAIN}"],
        [
            LOG.format("ERROR  ", " was fenced by another process; ending it"),
            f"athena: worker ledger ended (killed by SIGKILL){AGAIN}",
        ],
    ],
)
def test_fenced_worker_is_told_from_a_killed_one(lines: list[str]) -> None:
    assert read(*lines) == [("worker", FENCED)]


def test_watchdog_is_told_from_a_fault_that_kills() -> None:
    reason = "its loop has not turned for 20 s; its process was ended"
    killed = f"athena: worker ledger ended (killed by SIGKILL){AGAIN}"

    assert read(LOG.format("ERROR  ", f": {reason}"), killed, killed) == [
        ("worker", reason),
        ("worker", KILLED),
    ]


def test_worker_that_could_not_register_is_told_from_one_that_served() -> None:
    assert read(
        "2026-11-29 06:06:24,789 ERROR   7322 "
        "athena.supervisor.supervisor: ability ledger: ResponseError: NOREPLICAS",
        f"athena: worker ledger ended (killed by SIGKILL){AGAIN}",
    ) == [("worker", NOT_STARTED)]


def test_two_workers_of_a_host_are_not_mixed_up() -> None:
    names = ("ledger", "ledger_long")
    fenced = (
        "2026-11-29 06:06:12,644 ERROR   73 "
        "athena.supervisor.worker_child: worker {} was fenced by another process"
    )

    assert read(
        *(fenced.format(name) for name in names),
        *(f"athena: worker {name} ended (killed by SIGKILL){AGAIN}" for name in (*names, "ledger")),
    ) == [("worker", FENCED), ("worker", FENCED), ("worker", KILLED)]


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "near.log"
    path.write_text("athena: gateway ended (killed by SIGKILL); this was before\n")
    deaths = Deaths({"near": path})
    deaths.start()
    with path.open("a") as log:
        log.write("athena: worker ledger ended (killed")
        log.flush()
        log.write(f" by SIGKILL){AGAIN}\n")
    deaths.stop()

    assert [(one.child, one.how) for one in deaths.ends] == [("worker", KILLED)]


# which fault explains an end


def test_fault_explains_as_many_ends_as_it_said() -> None:
    caused, unexplained = attribute([end(11), end(12)], [expected("worker killed")])

    assert caused == {"worker killed": {"worker": 1}}
    assert unexplained == [end(12)]


@pytest.mark.parametrize(
    "other", [end(9), end(21), end(15, host="far"), end(15, DIED), end(15, child="gateway")]
)
def test_end_of_another_time_place_or_kind_is_not_explained(other: End) -> None:
    assert attribute([other], [expected("worker killed")]) == ({}, [other])


def test_latest_fault_explains_first() -> None:
    caused, _ = attribute([end(16)], [expected("first"), expected("second", from_s=15, until_s=30)])

    assert list(caused) == ["second"]


def test_ends_that_no_supervisor_tells_are_counted_by_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "far.log"
    path.touch()
    deaths = Deaths({"far": path})
    with deaths.during("host killed"):
        deaths.count(2)

    assert deaths.attribute() == ({"host killed": {"worker": 2}}, [])


@pytest.mark.parametrize(
    ("by_job", "lost_s", "is_explained"), [(True, 0, True), (False, 0, False), (True, 60, False)]
)
def test_job_whose_end_redis_lost_ends_its_worker_again(
    tmp_path: Path, by_job: bool, lost_s: float, is_explained: bool
) -> None:
    path = tmp_path / "near.log"
    path.touch()
    deaths = Deaths({"near": path})
    with deaths.during("call overruns"):
        deaths.expect(("near",), "worker", "overran", count=1, by_job=by_job)
    told_s = time.monotonic()
    deaths.revive(told_s + lost_s)
    deaths.ends += [End("near", "worker", "overran", told_s + after_s) for after_s in (0, 40)]

    assert (deaths.attribute()[1] == []) == is_explained


@pytest.mark.parametrize(("how", "is_explained"), [("exit status 78", True), ("exit status 1", False)])
def test_supervisor_that_says_why_it_cannot_start_is_told_from_one_that_crashed(
    tmp_path: Path, how: str, is_explained: bool
) -> None:
    path = tmp_path / "far.log"
    path.touch()
    deaths = Deaths({"far": path})
    with deaths.during("redis frozen"):
        deaths.expect_failing_starts(("far",))
        deaths.lose_supervisor("far", how)
    caused, unexplained = deaths.attribute()

    assert (caused == {"redis frozen": {"start": 1}}) == is_explained
    assert [one.how for one in unexplained] == ([] if is_explained else [how])


# what is excused

LOSS = Loss(from_s=10, until_s=11)


def accepted(sent_s: float, heard_s: float, is_poison: bool = False, **results: float) -> Accepted:
    """Returns a job."""
    return Accepted("j1", sent_s, heard_s, is_poison, dict(results))


@pytest.mark.parametrize(
    ("sent_s", "heard_s", "fault"),
    [(8, 9.9, "lost"), (9.8, 10.1, "gone with Redis"), (10.9, 12, "gone with Redis"), (11.1, 11.2, "lost")],
)
def test_job_may_be_gone_only_if_it_was_accepted_in_a_time_that_redis_has_lost(
    sent_s: float, heard_s: float, fault: str
) -> None:
    assert fault_of(accepted(sent_s, heard_s), "unknown", "", 0, [LOSS]) == fault
    assert fault_of(accepted(sent_s, heard_s), "unknown", "", 0, []) == "lost"


@pytest.mark.parametrize("state", ["queued", "running"])
def test_job_that_does_not_end_is_never_excused(state: str) -> None:
    assert fault_of(accepted(10, 10.5), state, "", 0, [LOSS]) == "lost"


@pytest.mark.parametrize("state", ["canceled", "expired", "timed_out", "failed"])
def test_job_that_nobody_ended_so_is_wrong(state: str) -> None:
    assert fault_of(accepted(10, 10.5), state, "", 3, [LOSS]) == "wrong"


@pytest.mark.parametrize(("begun", "fault"), [(0, "wrong"), (1, "unlucky")])
def test_good_job_is_poisoned_only_if_it_was_begun(begun: int, fault: str) -> None:
    assert fault_of(accepted(1, 2), "poisoned", "", begun, []) == fault
    assert fault_of(accepted(1, 2, is_poison=True), "poisoned", "", begun, []) == ""
    assert fault_of(accepted(1, 2, is_poison=True), "succeeded", "", begun, []) == "wrong"


@pytest.mark.parametrize(
    ("seen_s", "fault"), [(9, "two results"), (10.5, "gone with Redis"), (13, "two results")]
)
def test_another_result_may_be_kept_only_if_the_first_was_seen_in_a_lost_time(
    seen_s: float, fault: str
) -> None:
    assert fault_of(accepted(8, 9, r1=seen_s), "succeeded", "r2", 0, [LOSS]) == fault
    assert fault_of(accepted(8, 9, r1=seen_s), "succeeded", "r1", 0, [LOSS]) == ""
