"""What is sent again, how often, and after which pauses."""

import json

import pytest

from athena.client.attempts import LONGEST_PAUSE_S, Patience, passes, persist
from athena.client.errors import UnreachableError
from athena.client.exchange import Answer, Ask, Lost, Pause

ASK = Ask("POST", "/v1/private/echo", b"{}")
LOST = Lost("the connection was cut")


def answer(status: int, code: int | None = None, **headers: str) -> Answer:
    body = json.dumps({"header": {"code": code}}).encode() if code is not None else b"<html>"
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


GOOD = answer(200, 0)


def play(*given: Answer | Lost, retries: int = 3, within_s: float = 1000.0) -> tuple[Answer, list[float]]:
    """Returns what came of it, and the pauses; time goes on while nothing is sent alone."""
    now_s = [0.0]
    patience = Patience(retries, within_s, lambda: now_s[0], lambda: 1.0)
    steps, waiting, pauses = persist(ASK, patience), list(given), list[float]()
    got: Answer | Lost | None = None
    try:
        while True:
            step = steps.send(got)
            if isinstance(step, Pause):
                pauses.append(step.for_s)
                now_s[0] += step.for_s
                got = None
            else:
                assert (step.path, step.body, step.within_s) == (ASK.path, ASK.body, within_s - now_s[0])
                got = waiting.pop(0)
    except StopIteration as end:
        result: Answer = end.value
        assert not waiting
        return result, pauses


def test_good_answer_ends_it() -> None:
    assert play(GOOD) == (GOOD, [])


def test_what_is_lost_is_asked_again_after_longer_and_longer_pauses() -> None:
    assert play(LOST, LOST, answer(503, 10250), GOOD) == (GOOD, [0.2, 0.4, 0.8])


def test_gateway_says_how_long_to_wait() -> None:
    assert play(answer(429, 10110, retry_after="7"), GOOD)[1] == [7]
    assert play(answer(503, 10222, retry_after="soon"), GOOD)[1] == [0.2]


def test_tries_come_to_an_end() -> None:
    with pytest.raises(UnreachableError, match=r"was cut \(4 tries\)") as caught:
        play(LOST, LOST, LOST, LOST)
    assert caught.value.retryable

    last = answer(503, 10250)
    assert play(LOST, last, retries=1)[0] == last


def test_time_comes_to_an_end() -> None:
    with pytest.raises(UnreachableError, match="2 tries"):
        play(LOST, LOST, retries=100, within_s=0.3)
    assert play(answer(429, 10110, retry_after="60"), within_s=50)[0].status == 429


@pytest.mark.parametrize(
    "final",
    [
        answer(502, 10909),
        answer(504, 10114),
        answer(400, 10163),
        answer(404),
        answer(409, 10163),
        answer(500, 11502),
        answer(202, 0),
    ],
)
def test_what_another_try_would_not_change_is_not_sent_again(final: Answer) -> None:
    assert play(final) == (final, [])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_proxies_say_of_a_gateway_that_is_away_passes(status: int) -> None:
    assert passes(answer(status))
    assert passes(Answer(status, {}, b'{"header": "none"}'))


def test_what_cannot_be_helped_is_told_at_once() -> None:
    with pytest.raises(UnreachableError, match=r"^untrusted$") as caught:
        play(Lost("untrusted", is_final=True))
    assert not caught.value.retryable


def test_pauses_are_bounded_and_differ_from_caller_to_caller() -> None:
    calm, hasty = Patience(9, 0, lambda: 0.0, lambda: 1.0), Patience(9, 0, lambda: 0.0, lambda: 0.0)

    assert calm.pause_s(1000) == LONGEST_PAUSE_S
    assert hasty.pause_s(0) == calm.pause_s(0) / 2
    assert calm.left_s == 0
