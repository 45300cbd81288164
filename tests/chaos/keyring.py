"""Keys in a chaos run: every caller has one, which is rotated under them, and an application with quotas."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import requests
from requests.auth import AuthBase

from tests.chaos.disk import ROOT, environment
from tests.chaos.envelopes import APP_ID, SERVICES

ADMIN_TOKEN = "the token of the chaos run"
SEAL_KEY = "the seal of the chaos run, not secret"

#: What a stack is started with.
KEYS_ON = {"access": "keys", "seal_key": SEAL_KEY, "admin_token": ADMIN_TOKEN}

#: How often there is a new key, and how long the one before opens on: longer than any request is on its way.
ROTATE_S = 75.0
OVERLAP_DAYS = 60 / 86400

#: Of everything, and of each ability: no caller comes near them, and all that they do is counted.
QUOTA = (
    "--requests-per-s",
    "100000",
    "--jobs",
    "100000",
    "--queued-jobs",
    "100000",
    "--bytes",
    "100000000000",
)

#: By then Redis has the new key on its disk, as it is set.
SAVED_S = 5.0

#: How long a gateway may take that is away, or cut off from Redis, until it knows a key.
KNOWN_S = 30.0

#: What only those may ask who see everything.
_OF_ALL = "/v1/workers"


class Keyring(AuthBase):
    """What callers show of themselves; nothing where no request needs a key."""

    def __init__(self) -> None:
        self.token = ""
        self.operator_token = ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Adds the key to a request; `requests` calls it."""
        token = self.operator_token if _OF_ALL in (request.path_url or "") else self.token
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


#: The one of this run: callers are made in many places.
KEYRING = Keyring()


class Rotation:
    """Makes the callers' application, and rotates its key as long as the run lasts.

    Args:
        urls: of all gateways.
        redis_url: where the keys are.
    """

    def __init__(self, urls: Sequence[str], redis_url: str) -> None:
        self.count = 0
        self._urls = urls
        self._redis_url = redis_url
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._rotate_forever)

    def start(self) -> None:
        """Gives the callers their first key."""
        self._set_quotas()
        made = self._ask("create")
        assert made is not None, "the application of the callers cannot be made"
        assert self._is_known(made["key"]), "the gateways do not know the first key"
        KEYRING.token = made["key"]
        self._thread.start()

    def stop(self) -> None:
        """Rotates no more."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _rotate_forever(self) -> None:
        while not self._is_over.wait(ROTATE_S):
            made = self._ask("rotate", "--overlap", f"{OVERLAP_DAYS:.6f}")
            # Redis may be away, or lose what it was told last; then the key before goes on.
            if made is not None and not self._is_over.wait(SAVED_S) and self._is_known(made["key"]):
                KEYRING.token = made["key"]
                self.count += 1

    def _set_quotas(self) -> None:
        for ability in ("", *SERVICES):
            words = ("--ability", ability) if ability else ()
            done = self._athena("quotas", "set", APP_ID, *QUOTA, *words)
            assert done.returncode == 0, done.stderr

    def _ask(self, verb: str, *words: str) -> dict[str, Any] | None:
        done = self._athena("keys", verb, APP_ID, *words, "--json")
        made: dict[str, Any] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return made

    def _athena(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-P", "-m", "athena", *words, "--redis", self._redis_url],
            cwd=ROOT,
            env={**environment(), "ATHENA_SEAL_KEY": SEAL_KEY},
            capture_output=True,
            check=False,
        )

    def _is_known(self, token: str) -> bool:
        """Returns whether all gateways know a key in time."""
        for _ in range(int(KNOWN_S)):
            if all(_opens(url, token) for url in self._urls):
                return True
            if self._is_over.wait(1.0):
                break
        return False


def _opens(url: str, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return requests.get(f"{url}/v1/abilities", headers=headers, timeout=5).status_code == 200
    except requests.RequestException:
        return False
