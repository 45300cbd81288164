"""The folder of an ability that is edited while it is served."""

import re
from pathlib import Path

import pytest

from athena.ability.changes import PLANNED, RENEWED, options_of
from athena.ability.manifest import load_ability
from athena.supervisor.ability_reading import AbilityReading

BEFORE = """
service_id = "edited"
version = "v5"
beside = false
description = "before"
header_params = ["app_id"]
schema = "a.json"
[config]
model = "m1"
[gpu]
types = ["cpu"]
fallback = true
memory_mb = 100
workers_per_gpu = 1
share = 0.5
[worker]
slots = 16
max_batch = 1
max_wait_ms = 1
concurrency = 1
max_jobs = 0
max_memory_mb = 0
cpu_workers = 1
max_failures = 3
batch_tolerance = 0.01
canary_s = 0
python = ""
requirements = false
[retry]
errors = []
max_runs = 3
backoff_s = 1
max_backoff_s = 60
[resources]
dir = "resources"
max_loaded = 4
[limits]
max_body_bytes = 1000
max_input_bytes = 1000
max_output_bytes = 1000
max_queue_jobs = 100
max_queue_bytes = 1000
max_queue_s = 60
max_exec_s = 60
max_attempts = 3
cancel_grace_s = 10
wait_s = 60
"""

#: The line in place of the one that an option has above.
EDITS = {
    "service_id": 'service_id = "other"',
    "version": 'version = "v2"',
    "beside": "beside = true",
    "description": 'description = "after"',
    "header_params": 'header_params = ["app_id", "uid"]',
    "schema": 'schema = "b.json"',
    "config": 'model = "m2"',
    "gpu.types": 'types = ["T4G16", "cpu"]',
    "gpu.fallback": "fallback = false",
    "gpu.memory_mb": "memory_mb = 200",
    "gpu.workers_per_gpu": "workers_per_gpu = 2",
    "gpu.share": "share = 0.25",
    "worker.slots": "slots = 32",
    "worker.max_batch": "max_batch = 8",
    "worker.max_wait_ms": "max_wait_ms = 2.5",
    "worker.concurrency": "concurrency = 4",
    "worker.max_jobs": "max_jobs = 7",
    "worker.max_memory_mb": "max_memory_mb = 900",
    "worker.max_failures": "max_failures = 5",
    "worker.canary_s": "canary_s = 5",
    "worker.python": 'python = ".venv/bin/python"',
    "worker.requirements": "requirements = true",
    "worker.batch_tolerance": "batch_tolerance = 0.5",
    "worker.cpu_workers": "cpu_workers = 2",
    "retry.errors": 'errors = ["TimeoutError"]',
    "retry.max_runs": "max_runs = 5",
    "retry.backoff_s": "backoff_s = 2.5",
    "retry.max_backoff_s": "max_backoff_s = 90",
    "resources.dir": 'dir = "voices"',
    "resources.max_loaded": "max_loaded = 8",
    "limits.max_body_bytes": "max_body_bytes = 2000",
    "limits.max_input_bytes": "max_input_bytes = 2000",
    "limits.max_output_bytes": "max_output_bytes = 2000",
    "limits.max_queue_jobs": "max_queue_jobs = 200",
    "limits.max_queue_bytes": "max_queue_bytes = 2000",
    "limits.max_queue_s": "max_queue_s = 30",
    "limits.max_exec_s": "max_exec_s = 0.5",
    "limits.max_attempts": "max_attempts = 1",
    "limits.cancel_grace_s": "cancel_grace_s = 0",
    "limits.wait_s": "wait_s = 5",
}


class Folder:
    """An ability's folder, and the reading of it before any edit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.toml = path / "ability.toml"
        self.wrapper = path / "wrapper.py"
        self.wrapper.write_text("class Wrapper: pass\n")
        for name in ("a.json", "b.json", "example.json"):
            (path / name).write_text("{}")
        self.toml.write_text(BEFORE)
        self.before = load_ability(path)
        self.reading = AbilityReading(self.before)

    def edit(self, key: str) -> None:
        word = EDITS[key].partition(" ")[0]
        lines = [EDITS[key] if line.startswith(f"{word} =") else line for line in BEFORE.splitlines()]
        self.toml.write_text("\n".join(lines))
        assert self.toml.read_text() != BEFORE.strip("\n")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_each_option_is_edited_here(folder: Folder) -> None:
    assert EDITS.keys() == options_of(folder.before).keys()


@pytest.mark.parametrize("key", sorted(RENEWED))
def test_edit_is_taken_in_by_the_next_process(folder: Folder, key: str) -> None:
    folder.edit(key)

    assert folder.reading.examine() == ""

    before, after = options_of(folder.before), options_of(folder.reading.ability)
    assert [name for name in before if before[name] != after[name]] == [key]


@pytest.mark.parametrize("key", sorted(PLANNED))
def test_edit_that_concerns_the_plan_is_refused_as_a_whole(folder: Folder, key: str) -> None:
    folder.edit(key)
    folder.toml.write_text(folder.toml.read_text().replace("max_batch = 1", "max_batch = 8"))

    problem = folder.reading.renew()

    assert problem.startswith(f"{folder.toml}: {key} was changed from ")
    assert "needs a restart of athena serve or athena workers" in problem
    assert folder.reading.ability == folder.before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[worker\n", r"ability.toml: .*line 1"),
        ("x = 1", r"ability.toml: unknown key 'x'; known are beside, config, "),
        ("[worker]\nbatch = 8", r"ability.toml: unknown key worker.batch; known are batch_tolerance, "),
        ("[worker]\nmax_batch = 'a'", r"ability.toml: worker.max_batch must be a whole number"),
        ("[worker]\nmax_batch = 8\nslots = 8", r"at least twice worker.max_batch \(16\), got 8"),
    ],
)
def test_broken_edit_leaves_the_last_good_reading(folder: Folder, text: str, problem: str) -> None:
    folder.edit("worker.max_batch")
    folder.reading.renew()
    good = folder.reading.ability
    folder.toml.write_text(text)

    found = folder.reading.renew()

    assert re.search(problem, found), found
    assert folder.reading.problem == found
    assert folder.reading.ability == good and good != folder.before


def test_folder_without_a_wrapper_leaves_the_last_good_reading(folder: Folder) -> None:
    folder.wrapper.unlink()

    assert folder.reading.renew().startswith(f"{folder.path} holds no wrapper.py; ")
    assert folder.reading.ability == folder.before


def test_wrapper_that_is_no_python_takes_the_place_of_none_that_serves(folder: Folder) -> None:
    folder.wrapper.write_text("class Wrapper:\n    def wrapperInit(self\n")

    problem = folder.reading.examine()

    assert problem.startswith(f"{folder.wrapper}, line 2: this is not Python: ")
    assert problem.endswith("; correct the line, or the one before it")
    # Who starts anyway says that himself.
    assert folder.reading.renew() == ""


def test_mended_folder_has_no_problem(folder: Folder) -> None:
    folder.toml.write_text("x = 1")
    folder.reading.renew()
    folder.edit("worker.max_batch")

    assert (folder.reading.renew(), folder.reading.problem) == ("", "")
    assert folder.reading.ability.worker.max_batch == 8
