"""Who is awake when during one call, before and after: `make bench-hands OLD=34af608`.

Each build serves `echo` to one client, by turns; its calls run under strace, with a pause between them. One
of those that change hands as often as most do is kept in docs/benchmarks/hand_overs; `report.py` draws it.
"""

import argparse
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.builds import install
from benchmarks.contestants import BUILDS, build_folder, build_python
from benchmarks.harness import Served, served
from benchmarks.one_call.kept import FOLDER, Kept, save
from benchmarks.one_call.single_client import Client
from benchmarks.one_call.strace import attached, need_strace, pids_of
from benchmarks.one_call.trace_lines import OPTIONS, SystemCall, system_calls
from benchmarks.one_call.wakes import CLIENT, OneCall, Trace
from benchmarks.results import about

WARM_UP_CALLS = 200

#: Between two calls, so that what one leaves to be done does not show in the next.
PAUSE_S = 0.005

LOOP, INFERENCE = "worker's loop", "inference thread"


def main(arguments: Sequence[str] | None = None) -> None:
    """Traces calls of both builds, and keeps a typical one of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--old", required=True, help="a revision, the build to compare with")
    parser.add_argument("--new", default="HEAD", help="a revision")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--calls", type=int, default=40, help="of each turn")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the JSON files")
    chosen = parser.parse_args(arguments)
    need_strace()
    commits = dict(zip(BUILDS, map(install, BUILDS, (chosen.old, chosen.new)), strict=True))
    found: dict[str, list[OneCall]] = {name: [] for name in BUILDS}
    with ExitStack() as stack:
        callers = {name: stack.enter_context(caller(name)) for name in BUILDS}
        for _ in range(chosen.turns):
            for name, one in callers.items():
                found[name] += traced(*one, chosen.calls).one_calls()
    for name, calls in found.items():
        call, changes = typical(calls)
        known = about(f"make bench-hands OLD={chosen.old}") | {"commit": commits[name]}
        save(name, Kept(call, changes, known), chosen.out)
        print(f"{name} {commits[name]}: calls by changes of hands: {changes}")


@contextmanager
def caller(name: str) -> Iterator[tuple[Served, Client]]:
    """Serves a build, and calls it until it is warm."""
    with served(build_folder(name) / "abilities" / "echo", python=str(build_python(name))) as athena:
        client = Client(athena.url)
        client.call(WARM_UP_CALLS)
        yield athena, client


def traced(athena: Served, client: Client, calls: int) -> Trace:
    """Calls under strace, and returns what all threads did that have to do with it."""
    pids = pids_of(athena)
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        file = Path(folder) / "trace"
        with attached([*pids.values(), os.getpid()], file, *OPTIONS):
            client.call(calls, PAUSE_S)
        found = list(system_calls(file.read_text(errors="replace").splitlines()))
    threads = {threading.get_native_id(): CLIENT, pids["gateway"]: "gateway", pids["redis"]: "Redis"}
    return Trace(found, threads | lanes_of_worker(found, pids["worker"], athena.threads(pids["worker"])))


def lanes_of_worker(calls: Sequence[SystemCall], pid: int, threads: Sequence[int]) -> dict[int, str]:
    """Returns the lanes of a worker: its loop is the first thread, of the others the busiest infers."""
    counts = Counter(call.thread for call in calls if call.thread in threads and call.thread != pid)
    busiest = [thread for thread, _ in counts.most_common(1)]
    return {pid: LOOP, **dict.fromkeys(busiest, INFERENCE)}


def typical(calls: Sequence[OneCall]) -> tuple[OneCall, dict[int, int]]:
    """Returns a call that changes hands as often as most do, and how many do how often.

    A tenth of those were faster: what else the machine does shows least in it, and it is no exception.

    Raises:
        SystemExit: no call's way can be followed.
    """
    if not calls:
        raise SystemExit("strace shows no call whose way can be followed")
    counts = Counter(one.changes for one in calls)
    usual = counts.most_common(1)[0][0]
    alike = sorted((one for one in calls if one.changes == usual), key=lambda one: one.took_s)
    return alike[len(alike) // 10], dict(counts.most_common())


if __name__ == "__main__":
    main()
