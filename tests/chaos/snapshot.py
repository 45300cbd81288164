"""What a run has left: each job's record, what Redis holds for ever, and what gateways say of workers."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import redis
import requests

from athena.store.books.accounts import decode_account
from athena.store.keys import ACCOUNTS, account_key
from tests.chaos.envelopes import SERVICES, envelope
from tests.chaos.history import History
from tests.chaos.keyring import KEYRING
from tests.chaos.rules import LASTING
from tests.chaos.stage import Stage
from tests.chaos.verdict import open_jobs, text_of
from tests.chaos.waiting import wait_for

#: What is looked at of a record; the last two are for whoever reads the history.
FINAL_FIELDS = ("state", "queued_ms", "finished_ms", "attempts", "deaths", "message", "past")

#: So much of what a record says of a bad end is noted.
WHY_CHARS = 500

CHUNK = 500

#: How long janitors, workers and supervisors may take to put away what the last jobs have left; they look
#: twice, a minute apart, for what nobody holds.
TIDY_S = 150.0


def tell_end(stage: Stage, history: History, ids: Mapping[str, str], idle_slots: int) -> None:
    """Notes all that the checker wants to know of the end of a run."""
    with suppress(TimeoutError):
        wait_for(lambda: _is_tidy(stage), TIDY_S, "what the last jobs have left is put away")
    _tell_runs(stage.ledger_path, history)
    _tell_finals(stage.redis.client, history, ids)
    for url in stage.urls:
        for service in stage.services:
            history.note("probe", to=url, service=service, status=_probe(url, service))
    history.note("hosts", workers=stage.pids())
    history.note(
        "snapshot",
        keys=lasting_keys(stage.redis.client),
        books=_books(stage.redis.client),
        accounts=accounts(stage.redis.client),
        workers={url: _workers(url) for url in stage.urls},
        pids=[pid for pids in stage.pids().values() for pid in pids],
        idle_slots=idle_slots,
    )


def lasting_keys(client: redis.Redis) -> list[tuple[str, int]]:
    """Returns the keys without a TTL, and how much each holds."""
    sizes = {
        b"list": client.llen,
        b"hash": client.hlen,
        b"set": client.scard,
        b"zset": client.zcard,
        b"stream": client.xlen,
    }
    found = []
    for key in client.scan_iter(count=1000):
        with client.pipeline(transaction=False) as pipe:
            pipe.pttl(key)
            pipe.type(key)
            left_ms, kind = pipe.execute()
        if left_ms == -1:
            found.append((key.decode(errors="replace"), int(sizes.get(kind, client.strlen)(key))))
    return sorted(found)


def accounts(client: Any) -> dict[str, dict[str, int]]:
    """Returns what applications with quotas have open, in all abilities and in each."""
    return {
        f"{app.decode()} {service.decode() or 'in all'}": asdict(decode_account(raw))
        for app in client.smembers(ACCOUNTS)
        for service, raw in client.hgetall(account_key(app.decode())).items()
    }


def _is_tidy(stage: Stage) -> bool:
    """Whether nobody holds or counts a job any more."""
    if open_jobs(stage.redis.client) or any(_books(stage.redis.client).values()):
        return False
    if any(not LASTING.fullmatch(key) for key, _ in lasting_keys(stage.redis.client)):
        return False
    if any(any(left.values()) for left in accounts(stage.redis.client).values()):
        return False
    told = [worker for url in stage.urls for worker in _workers(url)]
    return bool(told) and all(one["state"] == "serving" and not one["slots_busy"] for one in told)


def _tell_runs(ledger: Path, history: History) -> None:
    for run in runs_of(ledger):
        if run["began_s"] >= history.began_s:
            history.note("run", **run)


def runs_of(ledger: Path) -> Iterator[dict[str, Any]]:
    """Returns the runs that the ability has written down."""
    runs: dict[str, dict[str, Any]] = {}
    for line in ledger.read_text().splitlines():
        word, tag, run, *rest = line.split(" ")
        if word == "begin":
            pid, at_s = rest
            runs[run] = {"job": tag, "run": run, "pid": int(pid), "began_s": float(at_s), "ended_s": None}
        elif word == "end":
            runs[run]["ended_s"] = float(rest[1])
    yield from runs.values()


def _tell_finals(client: redis.Redis, history: History, ids: Mapping[str, str]) -> None:
    jobs = list(ids.items())
    for first in range(0, len(jobs), CHUNK):
        chunk = jobs[first : first + CHUNK]
        with client.pipeline(transaction=False) as pipe:
            for _, job_id in chunk:
                pipe.hmget(f"athena:job:{job_id}", *FINAL_FIELDS)
                pipe.get(f"athena:result:{job_id}")
            replies = pipe.execute()
        for (name, job_id), (state, queued, finished, attempts, deaths, *why), result in zip(
            chunk, replies[::2], replies[1::2], strict=True
        ):
            history.note(
                "final",
                job=name,
                id=job_id,
                state=(state or b"unknown").decode(),
                result=text_of(result),
                took_s=(int(finished or 0) - int(queued or 0)) / 1000 if finished else 0,
                # Of a job that was tried once the record does not say so.
                attempts=int(attempts or 0),
                deaths=int(deaths or 0),
                # For whoever reads the history: no rule asks for it.
                why=[] if state == b"succeeded" else [(text or b"").decode()[:WHY_CHARS] for text in why],
            )


def _books(client: redis.Redis) -> dict[str, int]:
    return {name: int(client.hget(f"athena:load:{name}", "bytes") or 0) for name in SERVICES}


def _probe(url: str, service: str) -> int:
    body = envelope("", service)
    del body["header"]["request_id"]
    try:
        return requests.post(f"{url}/{service}", json=body, timeout=30, auth=KEYRING).status_code
    except requests.RequestException:
        return 0


def _workers(url: str) -> list[dict[str, Any]]:
    try:
        workers = requests.get(f"{url}/v1/workers", timeout=10, auth=KEYRING).json()["workers"]
    except (requests.RequestException, ValueError, KeyError):
        return []
    return [
        {"name": one["name"], "state": one["state"], "slots_busy": one.get("slots_busy") or 0}
        for one in workers
    ]
