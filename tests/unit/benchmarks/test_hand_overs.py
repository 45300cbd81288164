"""Who is awake when during a call, out of lines of strace."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks.harness import ROOT
from benchmarks.one_call.hand_overs import lanes_of_worker, typical
from benchmarks.one_call.kept import Kept, from_zero, load_all, save, sheet
from benchmarks.one_call.timeline import timeline
from benchmarks.one_call.trace_lines import SystemCall, system_calls
from benchmarks.one_call.wakes import HandOver, OneCall, Trace, shortened, way_of

CLIENT, GATEWAY, REDIS, LOOP, THREAD = 1, 2, 3, 4, 5
LANES = {CLIENT: "client", GATEWAY: "gateway", REDIS: "Redis", LOOP: "loop", THREAD: "thread"}

#: A call of a build whose loop wakes its thread by a lock and is woken by a byte, as strace shows it.
LINES = (ROOT / "tests" / "data" / "one_call.strace").read_text().splitlines()


def calls() -> list[SystemCall]:
    return list(system_calls(LINES))


def traced() -> OneCall:
    (found,) = Trace(calls(), LANES).one_calls()
    return found


def lane(call: OneCall, name: str) -> list[tuple[int, int]]:
    """Returns when a lane was awake, in microseconds from the call's begin on."""
    return [
        (round((one.began_s - call.began_s) * 1e6), round((one.ended_s - call.began_s) * 1e6))
        for one in call.bars
        if one.lane == name
    ]


def test_a_call_that_is_cut_in_two_lines_is_one() -> None:
    recv = next(one for one in calls() if one.thread == CLIENT and one.name == "recvfrom")

    assert (recv.began_s, recv.ended_s, recv.number) == (100.00105, 100.00225, 1049)
    assert recv.receives == ("127.0.0.1:80", "127.0.0.1:40000")


def test_data_that_looks_like_the_end_of_a_call_is_data() -> None:
    write = next(one for one in calls() if one.thread == GATEWAY and one.name == "write")

    assert write.number == 2228
    assert write.sends == ("31", "32")


def test_both_ends_of_a_connection_are_told_alike() -> None:
    sent = {one.sends for one in calls() if one.sends}

    assert {one.receives for one in calls() if one.receives} <= sent
    assert ("0xa0", "0xa0") in sent


@pytest.mark.parametrize(
    ("line", "may_sleep"),
    [
        ("9 1.0 epoll_pwait(3<anon_inode:[eventpoll]>, [], 1024, 0, NULL, 8) = 0", False),
        ("9 1.0 epoll_pwait(3<anon_inode:[eventpoll]>, [], 1024, 10, NULL, 8) = 0", True),
        ("9 1.0 epoll_wait(3<anon_inode:[eventpoll]>, [], 1024, 0) = 0", False),
        ("9 1.0 poll([{fd=8<UNIX-STREAM:[1->2]>, events=POLLOUT}], 1, 5000) = 1 ([{fd=8}])", False),
        ("9 1.0 futex(0xa0, FUTEX_WAIT_PRIVATE, 2, NULL) = -1 EAGAIN (Resource ...)", False),
        ("9 1.0 futex(0xa0, FUTEX_WAIT_PRIVATE, 2, {tv_sec=1}) = -1 ETIMEDOUT (Connection ...)", True),
        ("9 1.0 getpid()        = 9", False),
    ],
)
def test_what_only_asks_does_not_sleep(line: str, may_sleep: bool) -> None:
    (call,) = system_calls([line])

    assert call.may_sleep is may_sleep


def test_a_call_that_never_ends_sleeps() -> None:
    (call,) = system_calls(["9 1.5 epoll_wait(3<anon_inode:[eventpoll]>,  <unfinished ...>"])

    assert call.may_sleep
    assert call.ended_s == float("inf")


def test_the_way_of_a_call_is_found_from_its_end() -> None:
    call = traced()

    ways = [(one.sender, one.receiver) for one in call.way]
    assert ways == [
        ("client", "gateway"),
        ("gateway", "Redis"),
        ("Redis", "loop"),
        ("loop", "thread"),
        ("thread", "loop"),
        ("loop", "Redis"),
        ("Redis", "gateway"),
        ("gateway", "client"),
    ]
    assert call.changes == 7
    assert [one.place for one in call.way] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_reply_that_nobody_on_the_way_waits_for_is_beside_it() -> None:
    (beside,) = [one for one in traced().hand_overs if not one.place]

    assert (beside.sender, beside.receiver) == ("Redis", "gateway")


def test_a_lane_is_awake_between_its_sleeps() -> None:
    call = traced()

    assert lane(call, "client") == [(0, 50)]
    assert lane(call, "gateway") == [(100, 370), (540, 600), (1050, 1250)]
    assert lane(call, "Redis") == [(400, 550), (950, 1250)]
    assert lane(call, "loop") == [(610, 730), (830, 920)]
    assert lane(call, "thread") == [(720, 820)]


def test_arrow_ends_where_the_sleeper_wakes() -> None:
    third = traced().way[2]

    # Not where it has read, which is after poll() has said that there is something.
    assert (third.sent_s, third.woke_s) == (100.0015, 100.00161)


def test_a_thread_that_sleeps_all_the_time_has_no_bar() -> None:
    lines = [*LINES, "6 100.000000 epoll_wait(9<anon_inode:[eventpoll]>,  <unfinished ...>"]
    (call,) = Trace(list(system_calls(lines)), {**LANES, 6: "idle"}).one_calls()

    assert lane(call, "idle") == []


def test_a_call_whose_way_is_lost_is_left_out() -> None:
    without = [line for line in LINES if "sendto(18" not in line and "recvfrom(17" not in line]
    lost = [line for line in LINES if "writev(9" not in line]

    (short,) = Trace(list(system_calls(without)), LANES).one_calls()
    assert short.changes == 5
    assert list(Trace(list(system_calls(lost)), LANES).one_calls()) == []


def hand_over(sender: str, receiver: str, at_s: float, is_lock: bool = False) -> HandOver:
    return HandOver(sender, receiver, at_s, at_s, at_s, is_lock)


def test_a_lock_that_goes_to_and_fro_is_one_change_of_hands() -> None:
    first, job = hand_over("Redis", "loop", 1), hand_over("loop", "thread", 2, is_lock=True)
    back, again = hand_over("thread", "loop", 3, True), hand_over("loop", "thread", 4, True)
    last = hand_over("thread", "Redis", 5)

    assert shortened([first, job, back, again, last]) == [first, job, last]
    assert shortened([first, job, back, hand_over("loop", "Redis", 5)]) == [
        first,
        hand_over("loop", "Redis", 5),
    ]


def test_a_way_that_does_not_begin_at_the_client_is_none() -> None:
    assert way_of([hand_over("Redis", "gateway", 1), hand_over("gateway", "client", 2)]) == []


def of(changes: int, took_s: float) -> OneCall:
    way = [HandOver("a", "b", 0, 0, 0, place=place) for place in range(1, changes + 2)]
    return OneCall(0, took_s, [], way)


def test_a_typical_call_changes_hands_as_most_do() -> None:
    calls = [of(5, took) for took in range(20, 0, -1)] + [of(7, 0.5)]

    kept, changes = typical(calls)

    assert (kept.changes, kept.took_s) == (5, 3)
    assert changes == {5: 20, 7: 1}
    with pytest.raises(SystemExit, match="no call"):
        typical([])


def test_the_busiest_other_thread_of_a_worker_infers() -> None:
    lanes = lanes_of_worker(calls(), LOOP, [LOOP, THREAD, 99])

    assert lanes == {LOOP: "worker's loop", THREAD: "inference thread"}


def kept() -> Kept:
    names = {"loop": "worker's loop", "thread": "inference thread"}
    (call,) = Trace(calls(), {thread: names.get(lane, lane) for thread, lane in LANES.items()}).one_calls()
    about = {"date": "2026-01-02", "commit": "abc", "command": "make", "machine": {"cores": 2, "cpu": "x"}}
    return Kept(call, {7: 9, 5: 1}, about)


def test_a_call_that_is_kept_begins_with_0_and_survives_its_file(tmp_path: Path) -> None:
    save("new", kept(), tmp_path)

    (read,) = load_all(tmp_path).values()

    assert read.call == from_zero(kept().call)
    assert (read.call.began_s, read.call.ended_s) == (0, 0.00125)
    assert load_all(tmp_path / "elsewhere") == {}


def test_the_table_has_the_way_of_each_build() -> None:
    text = sheet({"old": kept()})

    assert "| old, abc | 7 | 9 of 10 | client → gateway → Redis → worker's loop → inference" in text


def test_the_picture_has_a_bar_and_an_arrow_for_each() -> None:
    one = Kept(from_zero(kept().call), kept().changes, kept().about)

    root = ElementTree.fromstring(timeline("a call", {"old": one, "new": one}))

    texts = [item.text or "" for item in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(text.isdigit() and text == "7" for text in texts) == 2
    assert any(re.match("old build, abc: 7 changes of hands", text) for text in texts)
    heads = root.findall("{http://www.w3.org/2000/svg}polygon")
    assert len(heads) == 2 * len(one.call.hand_overs)
    boxes = [
        item for item in root.findall("{http://www.w3.org/2000/svg}rect") if item.get("height") == "14.0"
    ]
    assert len(boxes) == 2 * len(one.call.bars) + 1
