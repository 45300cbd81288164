"""The cases with one of Python's clients: `client.py CLIENT URL FOLDER SILENCE_S CASE...`.

Runs in an environment of its own, where the client is installed; a line for each case on standard output.
"""

import asyncio
import concurrent.futures
import http.client
import importlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}
CHUNK = 16384

Answer = tuple[int, str]


class GaveUp(Exception):
    """The client's own time limit has passed."""


def pieces(body: bytes) -> Iterator[bytes]:
    """Returns a body in parts, which has no length."""
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]


class Urllib:
    """The standard library's urllib: a connection for each call, closed after it."""

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool) -> Answer:
        data: Any = pieces(body) if chunked else body
        request = urllib.request.Request(url, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except TimeoutError:
            raise GaveUp from None


class HttpClient:
    """The standard library's http.client over one kept connection."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool) -> Answer:
        where = urlsplit(url)
        if self._connection is None:
            self._connection = http.client.HTTPConnection(where.netloc, timeout=timeout_s)
        connection = self._connection
        connection.timeout = timeout_s
        if connection.sock:
            connection.sock.settimeout(timeout_s)
        data: Any = pieces(body) if chunked else body
        try:
            connection.request("POST", where.path, data, headers, encode_chunked=chunked)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except TimeoutError:
            self._connection = None
            raise GaveUp from None


class Requests:
    """requests with a session."""

    def __init__(self) -> None:
        self._requests = importlib.import_module("requests")
        self._session = self._requests.Session()

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool) -> Answer:
        data: Any = pieces(body) if chunked else body
        try:
            answer = self._session.post(url, data=data, headers=headers, timeout=timeout_s)
        except self._requests.Timeout:
            raise GaveUp from None
        return answer.status_code, answer.text


class Urllib3:
    """urllib3 with a pool."""

    def __init__(self) -> None:
        self._urllib3 = importlib.import_module("urllib3")
        self._pool = self._urllib3.PoolManager(maxsize=20, retries=False)

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool) -> Answer:
        data: Any = pieces(body) if chunked else body
        try:
            answer = self._pool.request(
                "POST", url, body=data, headers=headers, timeout=timeout_s, chunked=chunked
            )
        except self._urllib3.exceptions.TimeoutError:
            raise GaveUp from None
        return answer.status, answer.data.decode()


class Httpx:
    """httpx with a client."""

    def __init__(self) -> None:
        self._httpx = importlib.import_module("httpx")
        self._client = self._httpx.Client()

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool) -> Answer:
        content: Any = pieces(body) if chunked else body
        try:
            answer = self._client.post(url, content=content, headers=headers, timeout=timeout_s)
        except self._httpx.TimeoutException:
            raise GaveUp from None
        return answer.status_code, answer.text


class Aiohttp:
    """aiohttp with a session."""

    def __init__(self) -> None:
        self._aiohttp = importlib.import_module("aiohttp")
        self._loop = asyncio.new_event_loop()
        self._session: Any = None

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool) -> Answer:
        (answer,) = self._loop.run_until_complete(self._together([(url, body, headers, timeout_s, chunked)]))
        return answer

    def post_all(self, calls: list[tuple[str, bytes, dict[str, str], float, bool]]) -> list[Answer]:
        """Sends calls at the same time: threads are not this client's way."""
        return self._loop.run_until_complete(self._together(calls))

    async def _together(self, calls: list[Any]) -> list[Answer]:
        if self._session is None:
            self._session = self._aiohttp.ClientSession()
        return list(await asyncio.gather(*(self._post(*call) for call in calls)))

    async def _post(
        self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool
    ) -> Answer:
        async def parts() -> Any:
            for part in pieces(body):
                yield part

        limit = self._aiohttp.ClientTimeout(total=timeout_s)
        data = parts() if chunked else body
        try:
            async with self._session.post(url, data=data, headers=headers, timeout=limit) as answer:
                return answer.status, await answer.text()
        except TimeoutError:
            raise GaveUp from None


class Curl:
    """curl, a process for each call."""

    def __init__(self, *options: str) -> None:
        self._command = ["curl", "-sS", "-o", "-", "-w", "\n%{http_code}", *options]

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool) -> Answer:
        return self.post_often(url, body, headers, timeout_s, chunked, 1)[0]

    def post_often(
        self, url: str, body: bytes, headers: dict[str, str], timeout_s: float, chunked: bool, times: int
    ) -> list[Answer]:
        """Sends the same call over and over, over one connection."""
        if chunked:
            headers = {**headers, "Transfer-Encoding": "chunked"}
        options = [item for pair in headers.items() for item in ("-H", ": ".join(pair))]
        command = [*self._command, *options, "-m", str(timeout_s), "--data-binary", "@-", *[url] * times]
        if times > 1:
            # curl reads standard input once.
            command[command.index("@-")] = f"@{FOLDER}/call.json"
        done = subprocess.run(command, input=body, capture_output=True)
        if done.returncode == 28:
            raise GaveUp
        if done.returncode:
            raise OSError(f"curl: {done.returncode}: {done.stderr.decode().strip()}")
        return [_split(part) for part in _answers_of(done.stdout.decode())]


def _answers_of(text: str) -> list[str]:
    """Divides what curl printed: each answer ends with a line that holds its status."""
    parts, lines = [], []
    for line in text.splitlines():
        lines.append(line)
        if len(line) == 3 and line.isdigit():
            parts.append("\n".join(lines))
            lines = []
        elif line[:3].isdigit() and line[3:4] == "{":
            parts.append("\n".join([*lines[:-1], line[:3]]))
            lines = [line[3:]]
    return parts


def _split(text: str) -> Answer:
    body, _, status = text.rpartition("\n")
    return int(status), body


CLIENTS: dict[str, Callable[[], Any]] = {
    "urllib": Urllib,
    "http.client": HttpClient,
    "requests": Requests,
    "urllib3": Urllib3,
    "httpx": Httpx,
    "aiohttp": Aiohttp,
    "curl": Curl,
    "curl --http2": lambda: Curl("--http2"),
    "curl --http1.0": lambda: Curl("--http1.0"),
}


class Cases:
    """The cases, over any of the clients."""

    def __init__(self, make: Callable[[], Any], url: str, folder: Path, silence_s: float) -> None:
        self._make = make
        self._client = make()
        self._url = url
        self._folder = folder
        self._silence_s = silence_s

    def call(self) -> None:
        self._expect(self._post("call"), 200, "aGVsbG8=")

    def keepalive(self) -> None:
        if hasattr(self._client, "post_often"):
            body = (self._folder / "call.json").read_bytes()
            answers = self._client.post_often(f"{self._url}/echo", body, JSON, 60, False, 200)
            assert len(answers) == 200, f"{len(answers)} of 200 answers"
            for answer in answers:
                self._expect(answer, 200, "aGVsbG8=")
            return
        for _ in range(200):
            self.call()

    def parallel(self) -> None:
        body = (self._folder / "call.json").read_bytes()
        if hasattr(self._client, "post_all"):
            answers = self._client.post_all([(f"{self._url}/echo", body, JSON, 60.0, False)] * 20)
        else:
            with concurrent.futures.ThreadPoolExecutor(20) as threads:
                sent = [
                    threads.submit(self._make().post, f"{self._url}/echo", body, JSON, 60.0, False)
                    for _ in range(20)
                ]
                answers = [one.result() for one in sent]
        for answer in answers:
            self._expect(answer, 200, "aGVsbG8=")

    def upload(self) -> None:
        body = (self._folder / "upload.json").read_text()
        text = body.rpartition('"text": "')[2].partition('"')[0]
        self._expect(self._post("upload"), 200, text)

    def error(self) -> None:
        self._expect(self._post("bad"), 400, '"errors"')
        self.call()

    def slow(self) -> None:
        self._expect(self._post("slow", path="patient"), 200, '"payload"')

    def abort(self) -> None:
        try:
            self._post("slow", path="patient", timeout_s=0.3)
        except GaveUp:
            self.call()
            return
        raise AssertionError("it did not give up")

    def charset(self) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        self._expect(self._post("call", headers=headers), 200, "aGVsbG8=")

    def chunked(self) -> None:
        self._expect(self._post("call", chunked=True), 200, "aGVsbG8=")

    def silence(self) -> None:
        self.call()
        time.sleep(self._silence_s)
        self.call()

    def early(self) -> None:
        headers = {**JSON, "Connection": "close"}
        self._expect(self._post("early", path="nobody", headers=headers), 404, '"header"')

    def _post(
        self,
        name: str,
        path: str = "echo",
        headers: dict[str, str] = JSON,
        timeout_s: float = 60,
        chunked: bool = False,
    ) -> Answer:
        body = (self._folder / f"{name}.json").read_bytes()
        answer: Answer = self._client.post(f"{self._url}/{path}", body, headers, timeout_s, chunked)
        return answer

    def _expect(self, answer: Answer, status: int, text: str) -> None:
        assert answer[0] == status, f"{answer[0]} in place of {status}: {answer[1][:200]}"
        assert text in answer[1], f"not in the answer: {text[:60]}: {answer[1][:200]}"


def main() -> None:
    client, url, folder, silence_s, *names = sys.argv[1:]
    global FOLDER
    FOLDER = folder
    cases = Cases(CLIENTS[client], url, Path(folder), float(silence_s))
    for name in names:
        try:
            getattr(cases, name)()
        except Exception as error:
            print(f"{name}\tfailed\t{type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
        else:
            print(f"{name}\tok", flush=True)


FOLDER = ""

if __name__ == "__main__":
    main()
