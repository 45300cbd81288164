"""Whose the names of workers are, with a Redis in miniature and a clock that sleepers move."""

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from athena.fleet.name_claim import TTL_S, Holder, NameClaim, start_time, this_process
from athena.store.keys import supervisor_key
from athena.store.scripts import Command


class Server:
    """GET, SET, PTTL and DEL, and a time."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.values: dict[str, tuple[bytes, int]] = {}
        self.on_sleep: Callable[[], None] = lambda: None

    def execute(self, command: Command) -> Any:
        name, key, *rest = command
        assert isinstance(key, str)
        found, until_ms = self.values.get(key, (None, 0))
        if until_ms <= self.now_ms:
            found = None
        if name == "GET":
            return found
        if name == "PTTL":
            return -2 if found is None else until_ms - self.now_ms
        if name == "DEL":
            del self.values[key]
        elif "NX" in rest and found is not None:
            return None
        else:
            self.values[key] = (rest[0], self.now_ms + rest[2])  # type: ignore[assignment, operator]
        return b"OK"

    def sleep(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)
        self.on_sleep()

    def claim(self, holder: Holder, host: str = "host") -> NameClaim:
        return NameClaim(self.execute, host, holder, self.sleep)


HERE = this_process()
ELSEWHERE = Holder("another machine", 7, "1")


@pytest.fixture
def server() -> Server:
    return Server()


def other_process() -> Holder:
    return Holder(HERE.place, os.getppid(), start_time(os.getppid()))


def dead_process() -> Holder:
    with subprocess.Popen(["true"]) as process:
        pass
    return Holder(HERE.place, process.pid, "12345")


def test_name_is_taken_and_given_up(server: Server) -> None:
    claim = server.claim(HERE)

    assert claim.take("") == ""
    claim.release()
    assert server.claim(ELSEWHERE).take("") == ""


def test_supervisors_of_one_machine_get_suffixes_at_once(server: Server) -> None:
    assert server.claim(other_process()).take("") == ""
    assert server.claim(HERE).take("") == ".2"
    assert server.now_ms == 0


def test_suffix_that_is_wanted_comes_first(server: Server) -> None:
    assert server.claim(other_process()).take(".77") == ".77"
    assert server.claim(HERE).take(".77") == ".77.2"


def test_hosts_of_other_names_are_no_matter(server: Server) -> None:
    assert server.claim(ELSEWHERE).take("") == ""
    assert server.claim(HERE, "other").take("") == ""


def test_name_of_a_process_that_died_here_is_taken_at_once(server: Server) -> None:
    server.claim(dead_process()).take("")

    assert server.claim(HERE).take("") == ""
    assert server.now_ms == 0


def test_name_of_one_that_died_elsewhere_is_free_after_a_while(server: Server) -> None:
    server.claim(ELSEWHERE).take("")

    assert server.claim(HERE).take("") == ""
    assert server.now_ms <= TTL_S * 1000 + 1000


def test_name_of_one_that_lives_elsewhere_is_not_taken(server: Server) -> None:
    other = server.claim(ELSEWHERE)
    other.take("")
    server.on_sleep = other.renew

    assert server.claim(HERE).take("") == ".2"
    assert server.now_ms < 2000


def test_name_is_taken_by_force_where_nobody_can_have_it(server: Server) -> None:
    server.claim(ELSEWHERE).take("")

    assert server.claim(HERE).take("", by_force=True) == ""
    assert server.now_ms == 0


def test_renewed_name_outlives_its_time(server: Server) -> None:
    claim = server.claim(HERE)
    claim.take("")
    for _ in range(20):
        server.sleep(TTL_S / 2)
        claim.renew()

    assert server.values[supervisor_key("host")] == (HERE.encode(), server.now_ms + TTL_S * 1000)


def test_lost_name_is_told_once_and_left_to_the_other(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    claim, other = server.claim(HERE), server.claim(ELSEWHERE)
    claim.take("")
    server.sleep(TTL_S + 1)
    other.take("")

    claim.renew()
    claim.renew()
    claim.release()

    assert len(caplog.messages) == 1 and "another supervisor" in caplog.messages[0]
    assert server.execute(("GET", supervisor_key("host"))) == ELSEWHERE.encode()


@pytest.mark.parametrize("raw", [b"", b"x", b"a b c", b"\xff 1 2"])
def test_value_of_somebody_else_is_somebody_elsewhere(raw: bytes) -> None:
    assert Holder.decode(raw).place == ""


def test_holder_survives_its_way_through_redis() -> None:
    assert Holder.decode(HERE.encode()) == HERE
