"""A stand-in for the API elsewhere: python examples/forward/stub.py --port 9100."""

import argparse
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stub(ThreadingHTTPServer):
    """Answers {"text": "a"} with {"translation": "A"}, after a while.

    Attributes:
        most_at_once: how many requests waited here at the same time, at most.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, delay_s: float) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.delay_s = delay_s
        self.most_at_once = 0
        self._waiting = 0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Takes as long as the real one would."""
        with self._lock:
            self._waiting += 1
            self.most_at_once = max(self.most_at_once, self._waiting)
        time.sleep(self.delay_s)
        with self._lock:
            self._waiting -= 1


class Handler(BaseHTTPRequestHandler):
    """One request; the text `refuse` is refused, `garble` gets an answer that is no JSON."""

    server: Stub

    def do_POST(self) -> None:
        """Answers with the text in capital letters."""
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        self.server.wait()
        body = b"{" if text == "garble" else json.dumps({"translation": text.upper()}).encode()
        self.send_response(422 if text == "refuse" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def main() -> None:
    """Serves until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--delay-s", type=float, default=0.2)
    options = parser.parse_args()
    Stub(options.port, options.delay_s).serve_forever()


if __name__ == "__main__":
    main()
