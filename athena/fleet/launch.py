"""What a supervisor tells a worker process when it starts it, and what the worker reports back."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import orjson

from athena.plain_text import MAX_CHARS, plain_lines

VARIABLE = "ATHENA_WORKER_LAUNCH"

#: Why a worker runs with the packages that its ability had before.
ENVIRONMENT_PROBLEM = "ATHENA_ENVIRONMENT_PROBLEM"

#: Exit status of a worker that has run its time and wants to be replaced.
EX_RECYCLED = 75

#: Exit status of a worker whose loop ended by an error of ours; no job is to blame.
EX_LOOP_FAILED = 71


#: Exit status of a worker whose process is broken: it has told why, and which jobs broke it.
EX_BROKEN = 72


@dataclass(frozen=True)
class WorkerLaunch:
    """The start order of one worker process.

    Attributes:
        ability_fd: memory that holds the ability, as its supervisor has read it (see `read_shared`).
        incarnation: fresh random id of this process; never used again.
        name: name in Flower and in `/v1/abilities`; the same after a restart.
        gpu_id: UUID of its GPU or MIG instance; "" on the CPU.
        gpu_label: the place of the GPU on the host.
        host: the host's name.
        memory_limit_mb: GPU memory that it may use, in MiB; 0 for all.
        threads: for one inference on the CPU; 0 for as many as there are cores.
        status_fd: pipe on which the worker reports, one JSON object a line.
        progress_fd: shared memory of the `ProgressBoard`.
        peers: how many processes of its ability compute on this host's CPU, itself among them; 0 on a GPU.
        service_id: whose wrapper it runs; for its log lines, before it has read the ability.
    """

    ability_fd: int
    incarnation: str
    name: str
    gpu_type: str
    status_fd: int
    progress_fd: int
    gpu_id: str = ""
    gpu_label: str = ""
    host: str = ""
    memory_limit_mb: int = 0
    threads: int = 0
    peers: int = 0
    service_id: str = ""

    def environment(self) -> dict[str, str]:
        """Returns the variable that carries the order."""
        return {VARIABLE: orjson.dumps(asdict(self)).decode()}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "WorkerLaunch":
        """Reads the order."""
        return cls(**orjson.loads(environ[VARIABLE]))


def share(document: bytes) -> int:
    """Returns a file descriptor from which a child process can read a document.

    The environment would show it to all that a wrapper starts, and takes no more than 128 KiB.
    """
    fd = os.memfd_create("athena-launch")
    with open(fd, "wb", closefd=False) as memory:
        memory.write(document)
    return fd


def read_shared(fd: int) -> bytes:
    """Returns what was shared, and closes the file descriptor."""
    with open(fd, "rb") as memory:
        # The place up to which it was written is shared too.
        memory.seek(0)
        return memory.read()


@dataclass(frozen=True)
class WorkerReport:
    """One line on the status pipe: the worker became ready, or says why it cannot, or cannot go on.

    Attributes:
        detail: why it cannot; of one that is ready, what is wrong all the same.
        is_broken: whether it served, and its process is broken.
        blamed: the jobs that broke it.
        unbatched: why it runs no more batches; "" while it does.
    """

    ready: bool
    detail: str = ""
    is_broken: bool = False
    blamed: tuple[str, ...] = ()
    unbatched: str = ""

    def send(self, fd: int) -> None:
        """Writes the report."""
        report = {**asdict(self), "detail": plain_lines(self.detail, MAX_CHARS)}
        # A supervisor of the version before knows no such member.
        if not self.unbatched:
            report.pop("unbatched")
        with open(fd, "wb", closefd=False) as pipe:
            pipe.write(orjson.dumps(report) + b"\n")

    @classmethod
    def decode(cls, line: bytes) -> "WorkerReport":
        """Reads a line."""
        document = orjson.loads(line)
        return cls(**{**document, "blamed": tuple(document.get("blamed", ()))})


class StatusPipe:
    """What one worker process reports to its supervisor, a line each time.

    Attributes:
        write_fd: the end that the process inherits.
        was_heard: whether a whole report has come, and was looked at.
    """

    def __init__(self) -> None:
        self._read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_fd, False)
        self._text = b""
        self.was_heard = False

    def close_writer(self) -> None:
        """Closes this process's copy of the end that the other has."""
        os.close(self.write_fd)

    def close(self) -> None:
        """Reads no more; what was read stays."""
        os.close(self._read_fd)

    def read(self) -> bool:
        """Takes in what has come since; returns whether that was anything."""
        try:
            told = os.read(self._read_fd, 65536)
        except BlockingIOError:
            return False
        self._text += told
        return bool(told)

    def first(self) -> WorkerReport | None:
        """Returns the first report; None where it has not come whole."""
        # At its end there is nothing new to read, and what was read before still counts.
        self.read()
        line, newline, _ = self._text.partition(b"\n")
        if not newline:
            return None
        self.was_heard = True
        return WorkerReport.decode(line)

    def last(self) -> WorkerReport:
        """Returns the last report of those that were read; one that says nothing where there is none."""
        # The last whole line: a process that was killed may have left half of one behind it.
        line = self._text.rpartition(b"\n")[0].rpartition(b"\n")[2]
        return WorkerReport.decode(line) if line else WorkerReport(ready=False)
