"""Callers that do not give up, and what they were told."""

import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pybase64
import requests

from athena.errors import CanceledError, ExecTimeoutError, ExpiredError, PoisonedError

#: No call may take longer, whatever happens: the ability answers within 60 s or says that it does not.
PATIENCE_S = 80.0

BULK = 15
MAX_BULK = 500

#: Two abilities that do the same: one runs calls in batches, the other side by side.
LEDGER, LONG = SERVICES = ("ledger", "ledger_long")

#: Calls of the three kinds of callers last so long, at random; the last kind outlasts every time of grace.
SHORT_S, MIDDLE_S, LONG_S = (0.0, 0.02), (0.06, 1.5), (6.0, 8.0)

#: What a caller may be told who is asked to come again; all else that is no success is our own mistake.
RETRYABLE = (429, 503, 504)

#: A job ended so; the verdict tells whether that was right.
FINAL_CODES = {error.code for error in (PoisonedError, CanceledError, ExpiredError, ExecTimeoutError)}


@dataclass(frozen=True)
class Crowd:
    """How many callers of each kind there are.

    Attributes:
        short: whose calls last no time.
        middle: whose calls last longer than it takes to be told as running.
        long: whose calls outlast every time of grace.
        private: whose jobs have no name by which they could be found again.
        bulk: who send many at once, and do not wait.
    """

    short: int = 0
    middle: int = 0
    long: int = 0
    private: int = 0
    bulk: int = 0


NOBODY = Crowd()


@dataclass
class Accepted:
    """A job that was accepted.

    Attributes:
        sent_s: when its caller sent the request that was answered, on the monotonic clock.
        heard_s: when he had the answer.
        results: those that its caller has seen, and when first.
    """

    job_id: str
    sent_s: float
    heard_s: float
    is_poison: bool = False
    results: dict[str, float] = field(default_factory=dict)


class Load:
    """Synchronous and asynchronous callers, on threads, until they are stopped.

    Every job but the private ones has a `request_id`, so that a caller may repeat what he does not know to
    have arrived.

    Attributes:
        accepted: jobs by their request_id.
        replaced: request_ids and jobs in whose place another was accepted, because Redis had lost them.
        trouble: answers after which a caller tried again.
        bad: answers that nobody may get.
        hung: calls that were not answered in time.
    """

    def __init__(self, urls: tuple[str, ...], crowd: Crowd = NOBODY, pause_s: float = 0.05) -> None:
        self.accepted: dict[str, Accepted] = {}
        self.replaced: list[tuple[str, Accepted]] = []
        self.trouble: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.hung = 0
        self._urls = urls
        self._pause_s = pause_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._submit_forever) for _ in range(crowd.bulk)]
        kinds = ((crowd.short, LEDGER, SHORT_S), (crowd.middle, LONG, MIDDLE_S), (crowd.long, LONG, LONG_S))
        for count, *what in kinds:
            self._threads += [threading.Thread(target=self._call_forever, args=what) for _ in range(count)]
        self._threads += [threading.Thread(target=self._call_privately) for _ in range(crowd.private)]

    def start(self) -> None:
        """Begins to call."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets every caller end what he began."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def call(self, url: str, timeout_s: float = PATIENCE_S) -> bool:
        """Makes one synchronous call; returns whether it was answered with a result."""
        try:
            answer = requests.post(f"{url}/ledger", json=envelope(uuid.uuid4().hex), timeout=timeout_s)
        except requests.RequestException:
            return False
        return answer.status_code == 200

    def ask_once(self, url: str, body: dict[str, Any]) -> int:
        """Makes one long call whose connection must not break; returns the status of the answer."""
        try:
            answer = requests.post(f"{url}/{LONG}", json=body, timeout=PATIENCE_S)
        except requests.Timeout:
            self.hung += 1
            return 0
        except requests.ConnectionError:
            self.bad["connection broken"] += 1
            return 0
        self._read(answer)
        return answer.status_code

    def queue(self, request_id: str, service: str = LEDGER, is_poison: bool = False, **params: Any) -> str:
        """Queues a job; returns its id."""
        headers = {"Prefer": "respond-async"}
        with requests.Session() as session:
            body, sent_s = self._persist(
                session, f"/{service}", envelope(request_id, service, **params), headers
            )
        return self._note(request_id, body["header"]["sid"], sent_s, is_poison=is_poison)

    def submit(self, count: int, **params: Any) -> list[str]:
        """Queues jobs; returns their request_ids."""
        names = self._names(count)
        with requests.Session() as session:
            for first in range(0, count, MAX_BULK):
                self._submit(session, names[first : first + MAX_BULK], **params)
        return names

    def _call_forever(self, service: str, lasts_s: tuple[float, float]) -> None:
        with requests.Session() as session:
            while not self._stopped.is_set():
                request_id = uuid.uuid4().hex
                body = envelope(request_id, service, seconds=random.uniform(*lasts_s))
                self._call(session, request_id, service, body)
                time.sleep(self._pause_s)

    def _call(self, session: requests.Session, request_id: str, service: str, body: Any) -> None:
        """Asks until there is a result; who is told that the job goes on asks for the job again."""
        while True:
            answer, sent_s = self._persist(session, f"/{service}", body)
            job_id = answer["header"]["sid"]
            if "payload" in answer:
                text = pybase64.b64decode(answer["payload"]["text"]["text"]).decode()
                self._note(request_id, job_id, sent_s, text)
                return
            self._note(request_id, job_id, sent_s)
            if answer["header"]["code"]:
                return
            time.sleep(0.2)

    def _call_privately(self) -> None:
        with requests.Session() as session:
            while not self._stopped.is_set():
                body = envelope("", LONG, seconds=random.choice((0.0, 0.3, LONG_S[1])))
                del body["header"]["request_id"]
                code = self._persist(session, f"/{LONG}", body)[0]["header"]["code"]
                # Nobody can look at the job afterwards.
                if code and code != PoisonedError.code:
                    self.bad[f"private {code}"] += 1
                time.sleep(self._pause_s)

    def _submit_forever(self) -> None:
        with requests.Session() as session:
            while not self._stopped.is_set():
                self._submit(session, self._names(BULK))
                time.sleep(self._pause_s)

    def _submit(self, session: requests.Session, names: list[str], **params: Any) -> None:
        items = {name: {"service_id": "ledger", **envelope(name, **params)} for name in names}
        while items:
            body, sent_s = self._persist(session, "/v1/jobs", list(items.values()))
            for (request_id, _), result in zip(list(items.items()), body["jobs"], strict=True):
                if "id" in result:
                    self._note(request_id, result["id"], sent_s)
                    del items[request_id]
                    continue
                status = result["error"]["status"]
                counter = self.trouble if status in RETRYABLE else self.bad
                counter[f"bulk {status}"] += 1
            if items:
                time.sleep(0.2)

    def _names(self, count: int) -> list[str]:
        return [uuid.uuid4().hex for _ in range(count)]

    def _persist(
        self, session: requests.Session, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[Any, float]:
        """Repeats a request until it is answered with success, or its job has ended without.

        Returns the answer's document, and when the request was sent that was answered so.
        """
        while True:
            url = random.choice(self._urls) + path
            sent_s = time.monotonic()
            try:
                answer = session.post(url, json=body, headers=headers, timeout=PATIENCE_S)
                found = self._read(answer)
                if answer.status_code in (200, 202) or found["header"]["code"] in FINAL_CODES:
                    return found, sent_s
                self.trouble[f"{answer.status_code} {found['header']['code']}"] += 1
            except requests.ConnectionError:
                self.trouble["connection"] += 1
            except requests.Timeout:
                self.hung += 1
            time.sleep(0.1)

    def _read(self, answer: requests.Response) -> Any:
        """Returns the document of an answer, and counts those that nobody may get."""
        try:
            body = answer.json()
            code = int(body["header"]["code"])
        except (ValueError, KeyError, TypeError):
            self.bad[f"{answer.status_code} {answer.headers.get('Content-Type', 'without a type')}"] += 1
            return {"header": {"code": -1}}
        if answer.status_code not in (200, 202, *RETRYABLE) and code not in FINAL_CODES:
            self.bad[f"{answer.status_code} {code}"] += 1
        return body

    def _note(
        self, request_id: str, job_id: str, sent_s: float, result: str = "", is_poison: bool = False
    ) -> str:
        now_s = time.monotonic()
        with self._lock:
            job = self.accepted.setdefault(request_id, Accepted(job_id, sent_s, now_s, is_poison))
            if job.job_id != job_id:
                self.replaced.append((request_id, job))
                job = self.accepted[request_id] = Accepted(job_id, sent_s, now_s, is_poison)
            if result:
                job.results.setdefault(result, now_s)
        return job_id


def envelope(request_id: str, service: str = LEDGER, text: str = "aGVsbG8=", **params: Any) -> dict[str, Any]:
    """Returns a request to one of the abilities."""
    return {
        "header": {"app_id": "chaos", "request_id": request_id, "status": 3},
        "parameter": {service: {"tag": request_id, **params}},
        "payload": {"text": {"text": text}},
    }
