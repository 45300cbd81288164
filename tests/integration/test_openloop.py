"""The open-loop sender against servers whose behaviour is known."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.openloop import build, send

MS = 1_000_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers over kept-alive connections; stands still as long as it is told to."""

    def __init__(self, answer: bytes = ANSWER) -> None:
        self.answer = answer
        self.stands_still_until_s = 0.0
        self.bodies: list[bytes] = []

    def handle(self, reader: socketserver.StreamRequestHandler) -> None:
        while reader.rfile.readline():
            length = 0
            while (line := reader.rfile.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.bodies.append(reader.rfile.read(length))
            time.sleep(max(0.0, self.stands_still_until_s - time.monotonic()))
            half = len(self.answer) // 2
            for part in (self.answer[:half], self.answer[half:]):
                reader.wfile.write(part)
                reader.wfile.flush()


@contextmanager
def serving(server: Server) -> Iterator[str]:
    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            server.handle(self)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 100

    with Listener(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}/run"
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("openloop"))


def test_requests_leave_at_their_times(program: Path) -> None:
    server = Server()
    times = [at * 20 * MS for at in range(20)]

    with serving(server) as url:
        answered = send(program, url, b'{"a": 1}', times, connections=4)

    assert server.bodies == [b'{"a": 1}'] * 20
    assert [item.intended_ns for item in answered] == times
    assert all(item.intended_ns <= item.sent_ns < item.done_ns for item in answered)
    assert sorted(item.late_ms for item in answered)[10] < 5


def test_waiting_for_a_connection_counts(program: Path) -> None:
    server = Server()
    server.stands_still_until_s = time.monotonic() + 0.5
    times = [at * 10 * MS for at in range(10)]

    with serving(server) as url:
        answered = send(program, url, b"{}", times, connections=1)

    # The server was asked one by one, but nine more callers were there in the first 100 ms.
    assert all(item.latency_ms > 200 for item in answered)
    assert all(item.late_ms > 200 for item in answered[1:])


def test_an_answer_that_comes_in_many_parts_is_one_answer(program: Path) -> None:
    size = 300_000
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)

    with serving(server) as url:
        answered = send(program, url, b"x" * 1_000_000, [0, 0, 0], connections=2)

    assert len(answered) == 3
    assert {len(body) for body in server.bodies} == {1_000_000}


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_an_answer_that_is_no_success_ends_the_run(program: Path, answer: bytes) -> None:
    with serving(Server(answer)) as url, pytest.raises(SystemExit, match="not a success"):
        send(program, url, b"{}", [0], connections=1)
