"""The broken networks of the chaos run: half-open connections, slow links, a cable that is pulled."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.chaos.island import Island, why_not
from tests.proxy import SLOW_S, Mode, Proxy


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that nobody has called yet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


@pytest.fixture
def proxy(server: socket.socket) -> Iterator[Proxy]:
    """A way to it."""
    proxy = Proxy(server.getsockname()[1])
    proxy.start()
    yield proxy
    proxy.stop()


def call(proxy: Proxy, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Returns both ends of a connection."""
    caller = socket.create_connection(("127.0.0.1", proxy.port), 30)
    end, _ = server.accept()
    end.settimeout(30)
    caller.sendall(b"hello")
    assert end.recv(5) == b"hello"
    return caller, end


def test_caller_of_a_half_open_connection_hears_of_nothing(proxy: Proxy, server: socket.socket) -> None:
    caller, end = call(proxy, server)
    with caller, end:
        proxy.forget()
        assert end.recv(1) == b""
        caller.sendall(b"is anybody there?")
        caller.settimeout(0.5)
        with pytest.raises(TimeoutError):
            caller.recv(1)
    other, end = call(proxy, server)
    with other, end:
        pass


def test_all_that_crosses_a_slow_link_arrives_late(proxy: Proxy, server: socket.socket) -> None:
    caller, end = call(proxy, server)
    with caller, end, proxy.broken(Mode.SLOW):
        began_s = time.monotonic()
        caller.sendall(b"x")
        assert end.recv(1) == b"x"
        assert time.monotonic() - began_s >= SLOW_S
    assert not proxy.is_broken


def test_island_is_reached_while_its_cable_is_in() -> None:
    reason = why_not()
    if reason:
        # Elsewhere the chaos run says so, and makes the other faults.
        assert "root" in reason or "ip" in reason or "namespace" in reason
        return
    island = Island()
    island.start()
    try:
        with socket.create_server((island.gateway, 0)) as listener:
            listener.settimeout(30)
            port = listener.getsockname()[1]
            script = f"import socket, sys; s = socket.create_connection(('{island.gateway}', {port}), 30)\n"
            script += "s.sendall(b'a'); sys.stdin.read(1); s.sendall(b'b'); s.recv(1)"
            command = island.command([sys.executable, "-c", script])
            with subprocess.Popen(command, stdin=subprocess.PIPE) as inhabitant:
                end, _ = listener.accept()
                with end:
                    end.settimeout(30)
                    assert end.recv(1) == b"a"
                    with island.cut_off():
                        assert inhabitant.stdin is not None
                        inhabitant.stdin.write(b"x")
                        inhabitant.stdin.flush()
                        end.settimeout(1)
                        with pytest.raises(TimeoutError):
                            end.recv(1)
                    end.settimeout(60)
                    assert end.recv(1) == b"b"
    finally:
        island.stop()
