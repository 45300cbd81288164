"""Callers of all kinds, and what became of each of their requests."""

import base64
import itertools
import json
import threading
import time
from collections import Counter
from typing import Any

import requests

from tests.upgrade.builds import ROOT
from tests.upgrade.rotation import Rotation

#: Between two requests of a caller.
PAUSE_S = 0.05
JOB_S = 60.0
EXAMPLE = json.loads((ROOT / "abilities" / "echo" / "example.json").read_text(encoding="utf-8"))


class Traffic:
    """Callers that go on until they are stopped."""

    def __init__(self, rotation: Rotation, callers: int) -> None:
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self._rotation = rotation
        self._is_over = threading.Event()
        self._numbers = itertools.count()
        kinds = itertools.cycle((self._ask, self._ask, self._queue))
        self._threads = [
            threading.Thread(target=self._call, args=(kind,), daemon=True)
            for kind, _ in zip(kinds, range(callers), strict=False)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends it; each request that was begun is answered first."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(JOB_S * 2)
            assert not thread.is_alive(), "a caller still waits"

    def _call(self, kind: Any) -> None:
        # One connection for each gateway, as clients keep them.
        session = requests.Session()
        while not self._is_over.is_set():
            text = f"text {next(self._numbers)}"
            try:
                trouble = kind(session, text)
            except (requests.RequestException, AssertionError) as error:
                trouble = repr(error)
            if trouble:
                self.failures.append(f"{kind.__name__} {text}: {trouble}")
            time.sleep(PAUSE_S)

    def _ask(self, session: requests.Session, text: str) -> str:
        """Waits for the answer in the same request."""
        with self._rotation.gateway() as url:
            answer = session.post(f"{url}/echo", json=body(text), timeout=JOB_S)
        self.counts["asked"] += 1
        return (
            ""
            if answer.status_code == 200 and text in said(answer)
            else f"{answer.status_code}: {answer.text[:200]}"
        )

    def _queue(self, session: requests.Session, text: str) -> str:
        """Queues a job, and asks for it, perhaps at another gateway."""
        with self._rotation.gateway() as url:
            headers = {"Prefer": "respond-async"}
            answer = session.post(f"{url}/echo", json=body(text), headers=headers, timeout=JOB_S)
        self.counts["queued"] += 1
        if answer.status_code != 202:
            return f"{answer.status_code}: {answer.text[:200]}"
        return self._follow(session, answer.headers["Location"], text)

    def _follow(self, session: requests.Session, path: str, text: str) -> str:
        deadline_s = time.monotonic() + JOB_S
        while time.monotonic() < deadline_s:
            with self._rotation.gateway() as url:
                answer = session.get(f"{url}{path}?wait=2", timeout=JOB_S)
            if answer.status_code != 200:
                return f"{answer.status_code} to {path}: {answer.text[:200]}"
            state = answer.json()["job"]["state"]
            if state not in ("queued", "running"):
                return "" if state == "succeeded" and text in said(answer) else f"{path} {state}"
        return f"{path} did not end in {JOB_S} s"


def body(text: str) -> dict[str, Any]:
    """Returns a request with a text of its own."""
    request: dict[str, Any] = json.loads(json.dumps(EXAMPLE))
    request["payload"]["text"]["text"] = base64.b64encode(text.encode()).decode()
    return request


def said(answer: requests.Response) -> str:
    """Returns all texts of an answer, decoded."""
    found = []
    for member in _members(answer.json()):
        try:
            found.append(base64.b64decode(member, validate=True).decode())
        except ValueError:
            found.append(member)
    return "\n".join(found)


def _members(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in _members(value)]
    if isinstance(document, list):
        return [text for value in document for text in _members(value)]
    return [document] if isinstance(document, str) else []
