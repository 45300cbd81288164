"""A process whose native library has lost its state: it says so itself, and its jobs run elsewhere."""

import base64
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Stack, serving, wait_until

pytestmark = pytest.mark.e2e

FRAGILE = ROOT / "tests" / "abilities" / "fragile"

#: `worker.max_failures`, `limits.max_attempts` and `worker.cpu_workers` of the ability.
MAX_FAILURES, MAX_ATTEMPTS, WORKERS = 3, 3, 3

JOBS, CALLERS, CALLS = 1000, 16, 150


@dataclass(frozen=True)
class Line:
    """What a process has written down of a call."""

    pid: int
    at_s: float
    kind: str
    outcome: str

    @classmethod
    def read(cls, text: str) -> "Line":
        pid, at_s, kind, outcome = text.split()
        return cls(int(pid), float(at_s), kind, outcome)


class Stage:
    """A stack that serves the fragile ability."""

    def __init__(self, stack: Stack, log: Path) -> None:
        self.stack = stack
        self._log = log

    def lines(self) -> list[Line]:
        return [Line.read(text) for text in self._log.read_text().splitlines()]

    def call(self, number: int) -> Any:
        answer = self.stack.post("/fragile", request(f"word {number}"))
        return answer.json()["header"]["code"]

    def failures(self) -> dict[int, list[Line]]:
        """Returns the failed calls of jobs in each process that has failed any."""
        failed: dict[int, list[Line]] = {}
        for line in self.lines():
            if line.kind == "job" and line.outcome == "failed":
                failed.setdefault(line.pid, []).append(line)
        return failed

    def seconds_to_a_fresh_worker(self) -> list[float]:
        """Returns for each broken process how long after its first failure the next process answered."""
        begun: dict[int, float] = {}
        for line in self.lines():
            begun.setdefault(line.pid, line.at_s)
        fresh = list(begun.values())[WORKERS:]
        broken = sorted(lines[0].at_s for lines in self.failures().values())
        return [after - before for before, after in zip(broken, fresh, strict=False)]


@contextmanager
def staged(folder: Path, **environment: str) -> Iterator[Stage]:
    """Compiles the library and serves the ability with it."""
    library, log = folder / "libstate.so", folder / "calls"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(FRAGILE / "state.c")], check=True)
    variables = {"FRAGILE_LIBRARY": str(library), "FRAGILE_LOG": str(log), **environment}
    with serving(folder, FRAGILE, **variables) as stack:
        yield Stage(stack, log)


def request(text: str, mode: str = "good") -> dict[str, Any]:
    return {
        "header": {"app_id": "test", "status": 3},
        "parameter": {"fragile": {"mode": mode}},
        "payload": {"text": {"text": base64.b64encode(text.encode()).decode()}},
    }


def test_no_job_fails_because_its_process_broke(tmp_path: Path) -> None:
    with staged(tmp_path, FRAGILE_CALLS=str(CALLS)) as stage:
        with ThreadPoolExecutor(CALLERS) as callers:
            codes = list(callers.map(stage.call, range(JOBS)))
        failures, fresh_s = stage.failures(), stage.seconds_to_a_fresh_worker()

    wasted = [len(lines) for lines in failures.values()]
    print(
        f"\n{JOBS} jobs, {WORKERS} workers: {len(wasted)} processes broke, {JOBS - codes.count(0)} jobs "
        f"failed, {sum(wasted) / len(wasted):.2f} wasted calls a break (at most {max(wasted)}), "
        f"a fresh process answered after {sorted(fresh_s)[len(fresh_s) // 2]:.1f} s in the median, "
        f"{max(fresh_s):.1f} s at most"
    )
    assert codes == [0] * JOBS
    # Those that serve at the end have some calls left, and how the jobs are spread is chance.
    assert len(failures) >= JOBS // CALLS - WORKERS
    assert max(wasted) <= MAX_FAILURES


def test_job_that_breaks_every_process_ends_as_a_dead_letter_and_harms_nobody(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        poison = stage.stack.submit("fragile", request("poison", "poison"))
        with ThreadPoolExecutor(CALLERS) as callers:
            codes = list(callers.map(stage.call, range(200)))
        job = stage.stack.wait_state(poison, "poisoned", 120)
        dead = stage.stack.get(f"/v1/jobs/{poison}").json()["header"]
        broken = stage.failures()

    print(f"\n{len(broken)} processes broke; {dead['message']}")
    assert codes == [0] * 200
    assert job["deaths"] == MAX_ATTEMPTS
    # The first time it might have been any other job's doing, and so may the second time on a busy machine.
    assert 1 + MAX_ATTEMPTS <= len(broken) <= 2 + MAX_ATTEMPTS
    assert f"its worker broke {MAX_ATTEMPTS} times under it" in dead["message"]
    assert "the library has lost its state (700)" in dead["message"]


def test_useless_inputs_break_nothing(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        pids = {process.pid for process in stage.stack.children("-m", "workers")}
        for _ in range(3 * MAX_FAILURES):
            answer = stage.stack.post("/fragile", request("bad", "refuse"))
            assert answer.status_code == 502, answer.text
            assert "this input is of no use" in answer.json()["header"]["message"]
        assert {process.pid for process in stage.stack.children("-m", "workers")} == pids
        assert stage.call(1) == 0


def test_ability_whose_every_process_is_broken_says_so_and_keeps_its_queue(tmp_path: Path) -> None:
    licence = tmp_path / "licence"
    licence.touch()
    with staged(tmp_path, FRAGILE_LICENCE=str(licence)) as stage:
        stack = stage.stack
        licence.unlink()
        jobs = [stack.submit("fragile", request(f"word {number}")) for number in range(WORKERS)]

        def ability() -> Any:
            listed = stack.get("/v1/abilities/fragile").json()
            return listed if listed["reason"] == "worker_broken" and not listed["workers"] else None

        said = wait_until(ability, 60, "worker_broken")
        assert "the licence is lost" in said["failure"]
        wait_until(lambda: stack.get("/readyz").json()["broken"] == ["fragile"], 30, "readiness says so")
        # One that tries to start again is not: on a busy machine it takes a while until all of them wait.
        wait_until(lambda: metric(stack) == WORKERS, 240, "all workers are counted as broken")
        waiting = [stack.job(job_id) for job_id in jobs]
        assert {job["state"] for job in waiting} == {"queued"}
        assert {job["reason"].partition(":")[0] for job in waiting} == {"worker_broken"}

        licence.touch()
        ended = [stack.wait_state(job_id, "succeeded", 90) for job_id in jobs]
        assert {(job["attempts"], job["deaths"]) for job in ended} == {(1, 0)}
        wait_until(lambda: metric(stack) == 0, 60, "none is broken any more")
        wait_until(
            lambda: stack.get("/v1/abilities/fragile").json()["reason"] is None, 30, "no reason any more"
        )


def metric(stack: Stack) -> float:
    """Returns how many workers are told to be broken."""
    lines = stack.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("athena_worker_broken{"))
