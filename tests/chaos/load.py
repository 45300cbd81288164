"""Callers that do not give up, and what they were told."""

import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import pybase64
import requests

from athena.errors import PoisonedError, WaitTimeoutError
from tests.chaos.caller import Caller
from tests.chaos.envelopes import HELLO, LEDGER, LONG, envelope
from tests.chaos.history import Untold
from tests.chaos.keyring import KEYRING
from tests.chaos.notes import RETRYABLE, Notes
from tests.chaos.surface import Surface

#: How long a caller waits who wants to know whether a gateway answers at all.
PROBE_S = 5.0

#: How long a call goes on that should end much earlier.
OVERRUN_S = 30.0

BULK = 15
MAX_BULK = 500

#: Calls of the three kinds of callers last so long, at random; the last kind outlasts every time of grace.
SHORT_S, MIDDLE_S, LONG_S = (0.0, 0.02), (0.06, 1.5), (6.0, 8.0)


#: What a caller may be told who cannot ask for his job again: faults have ended so many workers under it, or
#: one after the other took so long that he was not waited for any more.
TOLD_PRIVATELY = (PoisonedError.code, WaitTimeoutError.code)


@dataclass(frozen=True)
class Crowd:
    """How many callers of each kind there are.

    Attributes:
        short: whose calls last no time.
        middle: whose calls last longer than it takes to be told as running.
        long: whose calls outlast every time of grace.
        private: whose jobs have no name by which they could be found again.
        bulk: who send many at once, and do not wait.
        surface: who do all that the API offers, at random.
    """

    short: int = 0
    middle: int = 0
    long: int = 0
    private: int = 0
    bulk: int = 0
    surface: int = 0


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
        accepted: jobs by their request_id, but for those of the surface, which may end in many ways.
        replaced: request_ids and jobs in whose place another was accepted, because Redis had lost them.
        notes: what all callers were told.
    """

    def __init__(
        self,
        urls: tuple[str, ...],
        crowd: Crowd = NOBODY,
        pause_s: float = 0.05,
        notes: Notes | None = None,
        redis_url: str = "",
    ) -> None:
        self.accepted: dict[str, Accepted] = {}
        self.replaced: list[tuple[str, Accepted]] = []
        self.notes = notes or Notes(Untold())
        self._urls = urls
        self._pause_s = pause_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._surface = Surface(urls, self.notes, redis_url)
        self._threads = [threading.Thread(target=self._submit_forever) for _ in range(crowd.bulk)]
        kinds = ((crowd.short, LEDGER, SHORT_S), (crowd.middle, LONG, MIDDLE_S), (crowd.long, LONG, LONG_S))
        for count, *what in kinds:
            self._threads += [threading.Thread(target=self._call_forever, args=what) for _ in range(count)]
        self._threads += [threading.Thread(target=self._call_privately) for _ in range(crowd.private)]
        self._threads += [threading.Thread(target=self._walk_surface) for _ in range(crowd.surface)]

    @property
    def bad(self) -> dict[str, int]:
        """Answers that nobody may get."""
        return dict(self.notes.bad)

    @property
    def hung(self) -> int:
        """Calls that were not answered in time."""
        return self.notes.hung

    def start(self) -> None:
        """Begins to call."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets every caller end what he began."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def call(self, url: str, timeout_s: float = PROBE_S) -> bool:
        """Makes one synchronous call; returns whether it was answered with a result."""
        try:
            answer = requests.post(
                f"{url}/{LEDGER}", json=envelope(uuid.uuid4().hex), timeout=timeout_s, auth=KEYRING
            )
        except requests.RequestException:
            return False
        return answer.status_code == 200

    def ask_once(self, url: str, body: dict[str, Any]) -> int:
        """Makes one long call whose connection must not break; returns the status of the answer."""
        name = body["parameter"][LONG]["tag"]
        self.notes.want(name, is_named="request_id" in body["header"])
        hung = self.notes.hung
        with Caller(self._urls, self.notes) as caller:
            status = caller.ask("run", [name], f"/{LONG}", url, json=body).status
        if not status and hung == self.notes.hung:
            self.notes.bad["connection broken"] += 1
        return status

    def queue(self, request_id: str, service: str = LEDGER, is_poison: bool = False, **params: Any) -> str:
        """Queues a job; returns its id."""
        headers = {"Prefer": "respond-async"}
        self.notes.want(request_id, "poisoned" if is_poison else "succeeded")
        body = envelope(request_id, service, **params)
        with Caller(self._urls, self.notes) as caller:
            answer = caller.insist("run", [request_id], f"/{service}", json=body, headers=headers)
        return self._note(request_id, answer.told[0].job_id, answer.sent_s, is_poison=is_poison)

    def queue_overrun(self, service: str, limit_s: float) -> str:
        """Queues a job that goes on past its limit; returns its id."""
        name = f"overrun-{uuid.uuid4().hex}"
        self.notes.want(name, "timed_out")
        body = envelope(name, service, seconds=OVERRUN_S)
        body["header"]["max_exec_s"] = limit_s
        with Caller(self._urls, self.notes) as caller:
            headers = {"Prefer": "respond-async"}
            answer = caller.insist("run", [name], f"/{service}", json=body, headers=headers)
        return answer.told[0].job_id

    def submit(self, count: int, **params: Any) -> list[str]:
        """Queues jobs; returns their request_ids."""
        names = self._names(count)
        with Caller(self._urls, self.notes) as caller:
            for first in range(0, count, MAX_BULK):
                self._submit(caller, names[first : first + MAX_BULK], **params)
        return names

    def _call_forever(self, service: str, lasts_s: tuple[float, float]) -> None:
        with Caller(self._urls, self.notes) as caller:
            while not self._stopped.is_set():
                self._call(caller, uuid.uuid4().hex, service, random.uniform(*lasts_s))
                time.sleep(self._pause_s)

    def _call(self, caller: Caller, request_id: str, service: str, seconds: float) -> None:
        """Asks until there is a result; who is told that the job goes on asks for the job again."""
        body = envelope(request_id, service, seconds=seconds)
        self.notes.want(request_id)
        while True:
            answer = caller.insist("run", [request_id], f"/{service}", json=body)
            (told,) = answer.told
            self._note(request_id, told.job_id, answer.sent_s, told.result)
            if told.result or told.code:
                return
            time.sleep(0.2)

    def _call_privately(self) -> None:
        with Caller(self._urls, self.notes) as caller:
            while not self._stopped.is_set():
                name = uuid.uuid4().hex
                body = envelope(name, LONG, seconds=random.choice((0.0, 0.3, LONG_S[1])))
                del body["header"]["request_id"]
                # Each of his requests may be a job of its own, and be canceled when its connection breaks.
                self.notes.want(name, "succeeded", "canceled", is_named=False)
                code = caller.insist("run", [name], f"/{LONG}", json=body).told[0].code
                # Nobody can look at the job afterwards.
                if code and code not in TOLD_PRIVATELY:
                    self.notes.bad[f"private {code}"] += 1
                time.sleep(self._pause_s)

    def _walk_surface(self) -> None:
        dice = random.Random(random.randrange(2**32))
        with Caller(self._urls, self.notes) as caller:
            while not self._stopped.is_set():
                self._surface.walk(caller, dice)
                time.sleep(self._pause_s)

    def _submit_forever(self) -> None:
        with Caller(self._urls, self.notes) as caller:
            while not self._stopped.is_set():
                self._submit(caller, self._names(BULK))
                time.sleep(self._pause_s)

    def _submit(self, caller: Caller, names: list[str], **params: Any) -> None:
        for name in names:
            self.notes.want(name, data=pybase64.b64decode(params.get("text", HELLO)))
        items = {name: {"service_id": LEDGER, **envelope(name, **params)} for name in names}
        while items:
            asked = list(items)
            answer = caller.insist("run", asked, "/v1/jobs", json=list(items.values()))
            for request_id, told, result in zip(asked, answer.told, answer.body["jobs"], strict=True):
                if told.job_id:
                    self._note(request_id, told.job_id, answer.sent_s)
                    del items[request_id]
                    continue
                status = result["error"]["status"]
                counter = self.notes.trouble if status in RETRYABLE else self.notes.bad
                counter[f"bulk {status}"] += 1
            if items:
                time.sleep(0.2)

    def _names(self, count: int) -> list[str]:
        return [uuid.uuid4().hex for _ in range(count)]

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
