from itertools import pairwise

import pytest

from benchmarks.openloop import Answered, arrivals, http_request, pair, summary

MS = 1_000_000


def test_arrivals_come_at_the_wanted_rate() -> None:
    times = arrivals(rate=1000, seconds=20, seed=1)

    assert len(times) == pytest.approx(20_000, rel=0.05)
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] < 20e9


def test_arrivals_are_not_evenly_spaced() -> None:
    times = arrivals(rate=1000, seconds=5, seed=1)
    gaps = [after - before for before, after in pairwise(times)]

    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.15)


def test_the_same_seed_gives_the_same_arrivals() -> None:
    assert arrivals(100, 1, seed=5) == arrivals(100, 1, seed=5)
    assert arrivals(100, 1, seed=5) != arrivals(100, 1, seed=6)


def test_there_is_always_a_request() -> None:
    assert arrivals(rate=0.001, seconds=0.001, seed=1) == [0]


def test_a_latency_counts_from_the_time_that_was_intended() -> None:
    answered = Answered(intended_ns=10 * MS, sent_ns=110 * MS, done_ns=111 * MS)

    assert answered.latency_ms == 101
    assert answered.late_ms == 100


def test_a_stalled_server_shows_in_the_latencies_of_all_that_wanted_to_send() -> None:
    # One request a millisecond; the server stands still for 100 ms and then answers in 1 ms.
    answered = [Answered(at * MS, 100 * MS, 101 * MS) for at in range(100)]

    figures = summary(answered)

    assert figures["p50_ms"] == 51
    assert figures["max_ms"] == 101
    assert figures["late_p99_ms"] == 99


def test_the_rate_is_what_was_answered_until_the_last_answer() -> None:
    answered = [Answered(0, 0, 500 * MS), Answered(0, 0, 2000 * MS)]

    assert summary(answered)["rate"] == 1.0


def test_times_of_the_sender_are_put_beside_the_intended_ones() -> None:
    assert pair([5, 6], [7, 8, 9, 10]) == [Answered(5, 7, 8), Answered(6, 9, 10)]


def test_a_request_without_a_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 requests, but 1 results"):
        pair([5, 6], [7, 8])


def test_a_request_says_how_long_it_is_and_to_whom_it_goes() -> None:
    head, _, body = http_request("http://127.0.0.1:8000/run", b"{}").partition(b"\r\n\r\n")

    assert head.startswith(b"POST /run HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1:8000" in head
    assert b"Content-Length: 2" in head
    assert body == b"{}"
