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

#: No call may take longer, whatever happens: the ability answers within 60 s or says that it does not.
PATIENCE_S = 80.0

BULK = 15
MAX_BULK = 500


@dataclass
class Accepted:
    """A job that was accepted, and the results that its caller has seen."""

    job_id: str
    is_poison: bool = False
    results: set[str] = field(default_factory=set)


class Load:
    """Synchronous and asynchronous callers, on threads, until they are stopped.

    Every job has a `request_id`, so that a caller may repeat what he does not know to have arrived.
    """

    def __init__(self, urls: tuple[str, ...], callers: int, bulk_callers: int, pause_s: float) -> None:
        self.accepted: dict[str, Accepted] = {}
        self.trouble: Counter[str] = Counter()
        self.hung = 0
        self._urls = urls
        self._pause_s = pause_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call_forever) for _ in range(callers)]
        self._threads += [threading.Thread(target=self._submit_forever) for _ in range(bulk_callers)]

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

    def poison(self) -> str:
        """Submits an input that kills its worker; returns its request_id."""
        request_id = f"poison-{uuid.uuid4().hex}"
        with requests.Session() as session:
            body = self._persist(
                session, "/ledger", envelope(request_id, mode="die"), {"Prefer": "respond-async"}
            )
        self._note(request_id, body["header"]["sid"], is_poison=True)
        return request_id

    def submit(self, count: int, **params: Any) -> list[str]:
        """Queues jobs; returns their request_ids."""
        names = self._names(count)
        with requests.Session() as session:
            for first in range(0, count, MAX_BULK):
                self._submit(session, names[first : first + MAX_BULK], **params)
        return names

    def _call_forever(self) -> None:
        with requests.Session() as session:
            while not self._stopped.is_set():
                request_id = uuid.uuid4().hex
                body = self._persist(
                    session, "/ledger", envelope(request_id, seconds=random.choice((0, 0, 0.02)))
                )
                if body is not None:
                    text = pybase64.b64decode(body["payload"]["text"]["text"]).decode()
                    self._note(request_id, body["header"]["sid"], text)
                time.sleep(self._pause_s)

    def _submit_forever(self) -> None:
        with requests.Session() as session:
            while not self._stopped.is_set():
                self._submit(session, self._names(BULK))
                time.sleep(self._pause_s)

    def _submit(self, session: requests.Session, names: list[str], **params: Any) -> None:
        items = {name: {"service_id": "ledger", **envelope(name, **params)} for name in names}
        while items:
            body = self._persist(session, "/v1/jobs", list(items.values()))
            for (request_id, _), result in zip(list(items.items()), body["jobs"], strict=True):
                if "id" in result:
                    self._note(request_id, result["id"])
                    del items[request_id]
                else:
                    self.trouble[f"bulk {result['error']['status']}"] += 1
            if items:
                time.sleep(0.2)

    def _names(self, count: int) -> list[str]:
        return [uuid.uuid4().hex for _ in range(count)]

    def _persist(
        self, session: requests.Session, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> Any:
        """Repeats a request until it is answered with success."""
        while True:
            url = random.choice(self._urls) + path
            try:
                answer = session.post(url, json=body, headers=headers, timeout=PATIENCE_S)
                if answer.status_code in (200, 202):
                    return answer.json()
                self.trouble[f"{answer.status_code} {answer.json()['header']['code']}"] += 1
            except requests.ConnectionError:
                self.trouble["connection"] += 1
            except requests.Timeout:
                self.hung += 1
            time.sleep(0.1)

    def _note(self, request_id: str, job_id: str, result: str = "", is_poison: bool = False) -> None:
        with self._lock:
            job = self.accepted.setdefault(request_id, Accepted(job_id, is_poison))
            if job.job_id != job_id:
                self.trouble["another job for the same request_id"] += 1
            if result:
                job.results.add(result)


def envelope(request_id: str, text: str = "aGVsbG8=", **params: Any) -> dict[str, Any]:
    """Returns a request to the ability `ledger`."""
    return {
        "header": {"app_id": "chaos", "request_id": request_id, "status": 3},
        "parameter": {"ledger": {"tag": request_id, **params}},
        "payload": {"text": {"text": text}},
    }
