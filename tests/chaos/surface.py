"""All that callers may do with jobs, one episode after the other, each drawn at random."""

import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pybase64

from tests.chaos.caller import Caller
from tests.chaos.envelopes import APP_ID, LEDGER, LONG, SERVICES, envelope
from tests.chaos.notes import Notes, Told, random_bytes
from tests.chaos.story import FINAL
from tests.chaos.strangers import Strangers
from tests.chaos.waiting import wait_for

#: Larger inputs lie beside their message in Redis.
LARGE_BYTES = 200_000

#: A job that waits longer is expired.
SHORT_QUEUE_S = (0.05, 1.0)

#: Good and bad items that are sent at once, and so run in one batch.
MATES = 6

#: How long a task may lie in its queue until its job is known.
FOUND_S = 150.0

#: How long processes go on that a job has started: to their own end, or to that of their worker.
CHILDREN_S = (0.2, 1.0, 1.0, 5.0, 60.0)

ASYNC = {"Prefer": "respond-async"}
LANES = ("high", "normal", "low")

Episode = Callable[[Caller, random.Random], None]


class Surface:
    """The episodes; each begins jobs of its own, and follows them to their ends."""

    def __init__(self, urls: Sequence[str], notes: Notes, redis_url: str) -> None:
        self._urls = urls
        self._notes = notes
        self._strangers = Strangers(redis_url)
        self._episodes: list[Episode] = [
            self.poll,
            self.wait,
            self.cancel,
            self.retry,
            self.expire,
            self.repeat,
            self.upload,
            self.send_form,
            self.send_bad_mate,
            self.start_children,
        ]
        if redis_url:
            self._episodes.append(self.send_task)

    def walk(self, caller: Caller, dice: random.Random) -> None:
        """Goes through one episode."""
        dice.choice(self._episodes)(caller, dice)

    def poll(self, caller: Caller, dice: random.Random) -> None:
        """Queues a job, and asks for it until it has ended, and once more."""
        name = self._queue(caller, dice, seconds=dice.uniform(0, 1))
        self._follow(caller, name, dice)
        self._ask(caller, name)

    def wait(self, caller: Caller, dice: random.Random) -> None:
        """Sends a request with a wait limit, again and again, until it is answered."""
        name, service = _name(), dice.choice(SERVICES)
        self._notes.want(name)
        body = _drawn(name, service, dice, seconds=dice.uniform(0, 2.5))
        headers = {"Prefer": f"wait={dice.randint(1, 3)}"}
        while caller.insist("run", [name], f"/{service}", json=body, headers=headers).status == 202:
            time.sleep(0.1)

    def cancel(self, caller: Caller, dice: random.Random) -> None:
        """Cancels a job somewhere in its life, and looks whether it stays so."""
        name = self._queue(caller, dice, "canceled", "succeeded", service=LONG, seconds=dice.uniform(0.5, 4))
        time.sleep(dice.uniform(0, 1.5))
        caller.insist("cancel", [name], f"/v1/jobs/{name}/cancel")
        self._follow(caller, name, dice)
        time.sleep(dice.uniform(0, 4))
        self._ask(caller, name)

    def retry(self, caller: Caller, dice: random.Random) -> None:
        """Lets a job fail, and tries it again: the new one fails, too, and the old one stays as it is."""
        name, again = self._queue(caller, dice, "failed", mode="fail"), _name()
        self._follow(caller, name, dice)
        self._notes.want(again, "failed", tag=name, retries=name)
        path = f"/v1/jobs/{name}/retry?request_id={again}"
        if caller.insist("retry", [again], path).status == 202:
            self._follow(caller, again, dice)
        self._ask(caller, name)

    def expire(self, caller: Caller, dice: random.Random) -> None:
        """Queues a job that may not wait long."""
        header = {"max_queue_s": dice.uniform(*SHORT_QUEUE_S), "priority": "low"}
        name = self._queue(caller, dice, "expired", "succeeded", header=header, seconds=0.1)
        self._follow(caller, name, dice)

    def repeat(self, caller: Caller, dice: random.Random) -> None:
        """Sends one request to all gateways at once: all get the one answer."""
        name = _name()
        self._notes.want(name)
        body = _drawn(name, LEDGER, dice, seconds=dice.uniform(0, 0.5))

        def ask(url: str) -> None:
            with Caller((url,), self._notes) as other:
                while other.insist("run", [name], f"/{LEDGER}", json=body).status == 202:
                    time.sleep(0.1)

        threads = [threading.Thread(target=ask, args=(url,)) for url in self._urls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def upload(self, caller: Caller, dice: random.Random) -> None:
        """Sends an input as the body of a request, without base64."""
        name, data = _name(), random_bytes(dice, LARGE_BYTES)
        self._notes.want(name, data=data)
        path = f"/{LEDGER}?app_id={APP_ID}&request_id={name}&tag={name}"
        headers = {"Content-Type": "text/plain"}
        while caller.insist("run", [name], path, data=data, headers=headers).status == 202:
            time.sleep(0.1)

    def send_form(self, caller: Caller, dice: random.Random) -> None:
        """Sends an input as a file of a form, and does not wait."""
        name, data = _name(), random_bytes(dice, LARGE_BYTES)
        self._notes.want(name, data=data)
        fields = {"app_id": APP_ID, "request_id": name, "tag": name, "priority": dice.choice(LANES)}
        file = {"text": ("input.txt", data, "text/plain")}
        caller.insist("run", [name], f"/{LEDGER}", data=fields, files=file, headers=ASYNC)
        self._follow(caller, name, dice)

    def send_bad_mate(self, caller: Caller, dice: random.Random) -> None:
        """Queues several jobs at once, and one of them is bad: it alone fails."""
        modes = {_name(): "" for _ in range(MATES)}
        bad = dice.choice(list(modes))
        modes[bad] = "fail"
        items = {}
        for name, mode in modes.items():
            self._notes.want(name, "failed" if mode else "succeeded")
            items[name] = {"service_id": LEDGER, **envelope(name, mode=mode)}
        while items:
            asked = list(items)
            answer = caller.insist("run", asked, "/v1/jobs", json=list(items.values()))
            for name, told in zip(asked, answer.told, strict=True):
                if told.job_id:
                    del items[name]
            time.sleep(0.1)
        for name in modes:
            self._follow(caller, name, dice)

    def start_children(self, caller: Caller, dice: random.Random) -> None:
        """Queues a job that starts processes, which go on when it has ended, and end with its worker."""
        name = self._queue(caller, dice, mode="family", child_s=dice.choice(CHILDREN_S))
        self._follow(caller, name, dice)

    def send_task(self, caller: Caller, dice: random.Random) -> None:
        """Sends a task with Celery, past the gateways, and finds its job by the task's id.

        A task that Redis may not have taken is left alone: sent again it might be there twice.
        """
        name, service = _name(), dice.choice(SERVICES)
        body = envelope(name, service)
        # Its job has one name only, that of the task.
        del body["header"]["request_id"]
        self._notes.want(name)
        numbers = self._notes.ask("send", [name], "")
        if not self._strangers.send(f"{service}.any", name, body):
            self._notes.hear(numbers, [name], [0], [Told()])
            return
        with suppress(TimeoutError):
            wait_for(lambda: self._ask(caller, name)[1] != 404, FOUND_S, "the job of a task is found")
        # One that is not found counts as accepted all the same, and the checker asks where it is.
        self._notes.hear(numbers, [name], [202], [Told(name)])
        self._follow(caller, name, dice)

    def _queue(self, caller: Caller, dice: random.Random, *may: str, service: str = "", **more: Any) -> str:
        """Queues a job of some lane, in some ability; returns its name."""
        name, service = _name(), service or dice.choice(SERVICES)
        header, data = more.pop("header", {}), random_bytes(dice, 100)
        self._notes.want(name, *may, data=data)
        body = _drawn(name, service, dice, text=pybase64.b64encode(data).decode(), **more)
        body["header"].update(header)
        caller.insist("run", [name], f"/{service}", json=body, headers=ASYNC)
        return name

    def _follow(self, caller: Caller, name: str, dice: random.Random) -> None:
        """Asks for a job until it has ended, or is not known any more, which the checker judges."""
        path = f"/v1/jobs/{name}?wait={dice.randint(0, 3)}"
        while True:
            told, status = self._ask(caller, name, path)
            if told in FINAL or status == 404:
                return
            time.sleep(dice.uniform(0.05, 0.5))

    def _ask(self, caller: Caller, name: str, path: str = "") -> tuple[str, int]:
        answer = caller.insist("poll", [name], path or f"/v1/jobs/{name}", method="GET")
        return answer.told[0].state, answer.status


def _name() -> str:
    return uuid.uuid4().hex


def _drawn(name: str, service: str, dice: random.Random, **params: Any) -> dict[str, Any]:
    """Returns a request of some lane."""
    body = envelope(name, service, **params)
    body["header"]["priority"] = dice.choice(LANES)
    return body
