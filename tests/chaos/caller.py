"""One caller: asks through any gateway, notes what he is told, and does not give up."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import requests

from tests.chaos.keyring import KEYRING
from tests.chaos.notes import FINAL_CODES, RETRYABLE, Notes, Told, document_of, read_bulk, read_told

#: No call may take longer, whatever happens: the ability answers within 60 s or says that it does not.
PATIENCE_S = 80.0

#: So long a caller waits before he asks again.
AGAIN_S = 0.1

WELL = (200, 202)

#: A wait limit has passed; of a job that has ended the answer tells the state.
TOO_LATE = 504

#: Who asks for a job by its name may be told that there is none, or that it stands otherwise.
OF_NAMED = (404, 409, 410)


@dataclass(frozen=True)
class Answer:
    """An answer; its status is 0 where there is none.

    Attributes:
        told: what it says of each job that was asked for.
        sent_s: when its request was sent, on the monotonic clock.
    """

    status: int
    body: Any
    told: Sequence[Told]
    sent_s: float


class Caller:
    """A connection of one's own."""

    def __init__(self, urls: Sequence[str], notes: Notes) -> None:
        self._urls = urls
        self._notes = notes
        self._session = requests.Session()
        self._session.auth = KEYRING

    def __enter__(self) -> "Caller":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def insist(self, do: str, names: Sequence[str], path: str, **request: Any) -> Answer:
        """Repeats a request until it is answered with success, or with an end that no repeating changes."""
        while True:
            answer = self.ask(do, names, path, **request)
            code = answer.body["header"]["code"]
            # Who was waited for long enough asks again: he knows his job by its name.
            has_waited = answer.status == TOO_LATE and not answer.told[0].state
            if answer.status in WELL or (answer.status and code in FINAL_CODES and not has_waited):
                return answer
            if do != "run" and answer.status in OF_NAMED:
                return answer
            if answer.status:
                self._notes.trouble[f"{answer.status} {code}"] += 1
            time.sleep(AGAIN_S)

    def ask(
        self, do: str, names: Sequence[str], path: str, url: str = "", method: str = "POST", **request: Any
    ) -> Answer:
        """Sends one request about these jobs: to a gateway, or to any."""
        url = url or random.choice(self._urls)
        numbers = self._notes.ask(do, names, url)
        sent_s = time.monotonic()
        try:
            answer = self._session.request(method, url + path, timeout=PATIENCE_S, **request)
        except requests.Timeout:
            self._notes.hang()
            return Answer(0, {"header": {"code": -1}}, (), sent_s)
        except requests.RequestException:
            self._notes.trouble["connection"] += 1
            self._notes.hear(numbers, names, [0] * len(names), [Told()] * len(names))
            return Answer(0, {"header": {"code": -1}}, (), sent_s)
        body = document_of(answer)
        status = answer.status_code
        if path == "/v1/jobs":
            statuses, told = read_bulk(status, body, len(names))
        else:
            statuses, told = [status] * len(names), [read_told(status, body)] * len(names)
        if do == "retry" and status not in WELL:
            # What it tells is of the old job.
            told = [Told(code=one.code) for one in told]
        self._notes.hear(numbers, names, statuses, told)
        self._judge(do, status, body, answer)
        return Answer(status, body, told, sent_s)

    def _judge(self, do: str, status: int, body: Any, answer: requests.Response) -> None:
        """Counts an answer that nobody may get; the checker looks closer."""
        code = body["header"]["code"]
        if code == -1:
            self._notes.bad[f"{status} {answer.headers.get('Content-Type', 'without a type')}"] += 1
        elif not self._may_be(do, status) and code not in FINAL_CODES:
            self._notes.bad[f"{status} {code}"] += 1

    def _may_be(self, do: str, status: int) -> bool:
        return status in (*WELL, *RETRYABLE) or (do != "run" and status in OF_NAMED)
