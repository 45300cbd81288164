"""What callers note of their requests: in the history, and as counts of what nobody may be told."""

import hashlib
import itertools
import random
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pybase64
import requests

from athena.errors import CanceledError, ExecTimeoutError, ExpiredError, PoisonedError, WrapperError
from tests.chaos.history import History

#: What a caller may be told who is asked to come again; all else that is no success is our own mistake.
RETRYABLE = (429, 503, 504)

#: What the header's code says of a job that has ended. That of an expired job may also mean that its caller
#: has waited long enough.
STATES = {
    PoisonedError.code: "poisoned",
    CanceledError.code: "canceled",
    ExecTimeoutError.code: "timed_out",
    WrapperError.code: "failed",
}

#: A job ended so; the checker tells whether that was right.
FINAL_CODES = {*STATES, ExpiredError.code}


class Told(NamedTuple):
    """What an answer says of one job; empty where it says nothing."""

    job_id: str = ""
    state: str = ""
    result: str = ""
    code: int = 0


class Notes:
    """The notes of all callers of a run.

    Attributes:
        ids: the last job that each name led to; of those that can be asked for.
        trouble: answers after which a caller tried again.
        bad: answers that nobody may get.
        hung: calls that were not answered in time.
    """

    def __init__(self, history: History) -> None:
        self.ids: dict[str, str] = {}
        self.trouble: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.hung = 0
        self._history = history
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._unnamed: set[str] = set()

    def want(self, name: str, *may: str, data: bytes = b"hello", tag: str = "", **more: Any) -> None:
        """A caller wants a job that ends in one of these states; `tag` is what the ability knows it by."""
        if not more.get("is_named", True):
            self._unnamed.add(name)
        digest = digest_of(tag or name, data)
        self._history.note("want", job=name, may=may or ("succeeded",), digest=digest, **more)

    def ask(self, do: str, names: Sequence[str], to: str) -> list[int]:
        """A caller sends a request about these jobs; returns the numbers of the calls."""
        numbers = [next(self._numbers) for _ in names]
        for number, name in zip(numbers, names, strict=True):
            self._history.note("call", call=number, job=name, do=do, to=to)
        return numbers

    def hear(
        self, numbers: Sequence[int], names: Sequence[str], statuses: Sequence[int], told: Sequence[Told]
    ) -> None:
        """He is answered; status 0 says that his connection broke."""
        answers = zip(numbers, names, statuses, told, strict=True)
        for number, name, status, (job_id, state, result, code) in answers:
            if job_id and name not in self._unnamed:
                self.ids[name] = job_id
            self._history.note(
                "answer", call=number, status=status, code=code, id=job_id, state=state, result=result
            )

    def hang(self) -> None:
        """He was not answered in time: the history holds no answer."""
        with self._lock:
            self.hung += 1


def document_of(answer: requests.Response) -> Any:
    """Returns the document of an answer; one with code -1 where it has none."""
    try:
        body = answer.json()
        int(body["header"]["code"])
    except (ValueError, KeyError, TypeError):
        return {"header": {"code": -1}}
    return body


def read_told(status: int, body: Any) -> Told:
    """Returns what an answer's document says of its job."""
    header = body["header"]
    code = int(header["code"])
    job = body.get("job") or {}
    state = job.get("state") or _state(status, code)
    result = _text(body["payload"]) if "payload" in body else ""
    return Told(job.get("id") or header.get("sid", ""), state, result, code)


def read_bulk(status: int, body: Any, count: int) -> tuple[list[int], list[Told]]:
    """Returns the status of each of the jobs that were sent at once, and what is said of it."""
    if "jobs" not in body:
        return [status] * count, [Told(code=int(body["header"]["code"]))] * count
    statuses, told = [], []
    for item in body["jobs"]:
        error = item.get("error")
        statuses.append(error["status"] if error else status)
        told.append(Told(code=error["code"]) if error else Told(item["id"]))
    return statuses, told


def digest_of(tag: str, data: bytes) -> str:
    """Returns what the ability `ledger` makes of an input."""
    return hashlib.sha256(tag.encode() + b"\0" + data).hexdigest()[:12]


def random_bytes(dice: random.Random, most: int) -> bytes:
    """Returns a text of random length."""
    return dice.randbytes(dice.randint(1, most // 2)).hex().encode()


def _state(status: int, code: int) -> str:
    if status in (200, 410) and code == 0:
        return "succeeded"
    return "" if status in (429, 503) else STATES.get(code, "")


def _text(payload: Any) -> str:
    return pybase64.b64decode(payload["text"]["text"]).decode()
