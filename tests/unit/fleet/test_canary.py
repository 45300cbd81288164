"""What one gateway knows of the canaries of all."""

from dataclasses import replace

from athena.fleet.canary import NO_REPORT, CanaryBoard, CanaryReport
from athena.protocol.interface import Canary, Interface, Limits

PLAIN = Interface("echo", "v1", "", (), (), (), ("cpu",), True, Limits())
WATCHED = replace(PLAIN, canary=Canary(5))
OTHER = replace(WATCHED, service_id="other")

GOOD = CanaryReport(1.0, 2.5)
BAD = CanaryReport(1.0, 2.5, "wrong", 2)


def board(**reports: CanaryReport) -> CanaryBoard:
    made = CanaryBoard()
    raw = {name.encode(): report.encode() for name, report in reports.items()}
    made.observe([WATCHED, OTHER], raw)
    return made


def test_report_comes_back_as_it_was_written() -> None:
    assert CanaryReport.decode(BAD.encode()) == BAD


def test_one_failure_is_an_accident_and_an_answer_ends_them() -> None:
    first = NO_REPORT.followed_by(1, 1, "wrong")
    second = first.followed_by(2, 1, "wrong")

    assert not first.is_failing and second.is_failing
    assert second.followed_by(3, 1, "").failures == 0


def test_gateway_is_sound_while_one_ability_answers() -> None:
    assert board().is_sound
    assert board(echo=BAD).is_sound
    assert board(echo=BAD, other=GOOD).is_sound
    assert not board(echo=BAD, other=BAD).is_sound
    assert board(echo=BAD).failing == {"echo": "wrong"}


def test_version_beside_the_main_one_takes_no_gateway_away() -> None:
    side = replace(WATCHED, service_id="echo@v2")
    made = CanaryBoard()
    made.observe([side], {b"echo@v2": BAD.encode()})
    assert made.is_sound and made.failing

    made.observe([side, WATCHED], {b"echo@v2": BAD.encode(), b"echo": BAD.encode()})
    assert not made.is_sound


def test_report_of_an_ability_that_wants_no_canary_any_more_does_not_count() -> None:
    known = board(echo=BAD)
    known.observe([PLAIN], {b"echo": BAD.encode()})

    assert known.is_sound and known.report("echo") is None and not known.failing


def test_report_that_cannot_be_read_is_left_out() -> None:
    known = CanaryBoard()
    known.observe([WATCHED], {b"echo": b"{}"})

    assert known.is_sound and known.report("echo") is None


def test_canary_rides_in_the_interface_and_an_older_one_has_none() -> None:
    golden = {"text": {"text": "YQ=="}}
    watched = replace(PLAIN, canary=Canary(5.0, golden))

    assert Interface.decode(watched.encode()).canary == Canary(5.0, golden)
    assert Interface.decode(PLAIN.encode()).canary is None
    assert Interface.decode(PLAIN.encode().replace(b'"canary":null,', b"")) == PLAIN
    # Jobs that wait fit all the same.
    assert watched.digest == PLAIN.digest
