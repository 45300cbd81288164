"""The commands of docs/logs.md for a log store, typed for a real one: `make observe-logs`.

It is no part of the tests, because VictoriaLogs has to be built by Go.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from tests.e2e.conftest import FAULTY, ROOT, faulty_request, serving, wait_until
from tests.ports import free_port

PROGRAM = ROOT / ".tools" / "bin" / "victoria-logs"

#: What the page has for what differs here.
PORT, FOLDER, JOB_ID = "9428", ".athena/logs", re.compile(r"[0-9a-f]{32}")


def commands() -> tuple[str, str]:
    """Returns what the page types: what ships the files, and what asks for a job."""
    page = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    block = page.partition("## A log store")[2].partition("```bash\n")[2].partition("```")[0]
    ship, _, ask = block.rpartition("\ncurl ")
    assert ship and ask, "docs/logs.md has no commands for a log store any more"
    return ship, f"curl {ask}"


@contextlib.contextmanager
def store(folder: Path, port: int) -> Iterator[None]:
    """Runs VictoriaLogs."""
    address = f"127.0.0.1:{port}"
    arguments = [f"-httpListenAddr={address}", f"-storageDataPath={folder}"]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([PROGRAM, *arguments], stdout=log, stderr=subprocess.STDOUT)
    try:

        def answers() -> bool:
            assert process.poll() is None, (folder / "log.txt").read_text()
            with contextlib.suppress(requests.RequestException):
                return requests.get(f"http://{address}/health", timeout=5).ok
            return False

        wait_until(answers, 60, "VictoriaLogs answers")
        yield
    finally:
        process.terminate()
        process.wait()


def type_command(line: str) -> str:
    """Types a command, and returns what it prints."""
    done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
    return done.stdout


def told_by_both(answer: str) -> list[dict[str, Any]]:
    """Returns the records of an answer, once gateway and worker are among those who told: none before."""
    records = [json.loads(line) for line in answer.splitlines()]
    return records if {"gateway", "worker"} <= {record["process"] for record in records} else []


def main() -> int:
    """Ships the logs of a stack in which a job fails, and finds that job in the store."""
    ship, ask = commands()
    os.environ["ATHENA_ACCESS_LOG"] = "on"
    port = free_port()
    with tempfile.TemporaryDirectory() as name, store(Path(name), port):
        folder = Path(name) / "site"
        folder.mkdir()
        with serving(folder, FAULTY) as stack:
            job_id = stack.submit("faulty", faulty_request(mode="raise"))
            stack.wait_state(job_id, "failed")
            logs = str(stack.data_dir / "logs")
            type_command(ship.replace(PORT, str(port)).replace(FOLDER, logs))
            question = JOB_ID.sub(job_id, ask.replace(PORT, str(port)))
            records = wait_until(
                lambda: told_by_both(type_command(question)), 60, f"{job_id} is found by: {question}"
            )
    assert any("the model is not in the mood" in record.get("stack", "") for record in records), records
    print(f"VictoriaLogs found {len(records)} records of job {job_id}, its traceback among them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
