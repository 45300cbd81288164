"""What systemd is told."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from athena.runtime.service_manager import ASK_EVERY_S, MORE_S, VARIABLE, ServiceManager

MORE = f"EXTEND_TIMEOUT_USEC={MORE_S * 1_000_000:.0f}"


class Listener:
    """What listens in systemd's place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Returns what came since it was asked last."""
        heard: list[str] = []
        while True:
            try:
                heard.append(self._socket.recv(1000).decode())
            except BlockingIOError:
                return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    is_path = request.param == "a path"
    listener = Listener(str(tmp_path / "notify") if is_path else f"@athena-{tmp_path.name}")
    yield listener
    listener.close()


def test_it_hears_that_the_service_is_ready(listener: Listener) -> None:
    ServiceManager({VARIABLE: listener.name}).ready()

    assert listener.heard() == ["READY=1"]


def test_it_is_asked_for_more_time_while_the_service_starts_and_while_it_stops(listener: Listener) -> None:
    service = ServiceManager({VARIABLE: listener.name})
    for now_s in (100.0, 100.1, 100 + ASK_EVERY_S, 100.1 + ASK_EVERY_S):
        service.on_tick(now_s)
    starting = listener.heard()
    service.ready()
    service.on_tick(1000.0)
    serving = listener.heard()
    service.stopping()
    service.on_tick(2000.0)
    stopping = listener.heard()

    assert starting == [MORE, MORE]
    # Time that is asked for while it runs would be taken for a longer life.
    assert serving == ["READY=1"]
    assert stopping == [f"STOPPING=1\n{MORE}", MORE]


def test_who_does_not_tick_says_how_long_its_end_may_take(listener: Listener) -> None:
    ServiceManager({VARIABLE: listener.name}).stopping(within_s=135.5)

    assert listener.heard() == ["STOPPING=1\nEXTEND_TIMEOUT_USEC=135500000"]


def test_each_ask_comes_well_before_the_time_is_over() -> None:
    assert ASK_EVERY_S * 3 <= MORE_S


def test_children_do_not_speak_to_it(listener: Listener) -> None:
    environ = {VARIABLE: listener.name, "PATH": "/bin"}

    ServiceManager(environ)

    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("environ", [{}, {VARIABLE: ""}, {VARIABLE: "/nowhere/notify"}])
def test_without_one_nothing_happens(environ: dict[str, str]) -> None:
    service = ServiceManager(environ)

    service.on_tick(0.0)
    service.ready()
    service.stopping()
