"""`python -m tests.chaos.disk RECORD -- PROGRAM ...`: runs a program and knows what its disk really has.

The kernel keeps what a process wrote, also when that is killed; a machine that loses its power keeps what was
flushed. So each `fsync` and `fdatasync` of the program and its children is carried out here, in its place
(`seccomp_unotify(2)`), and written down: of which file, how large that was at the moment, and when it was
last written to.
All bytes behind may be gone after a power cut. A flush takes longer on request, as on a slow disk.

The program keeps the number of this process; the watcher beside it ends with it.
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Numbers of the system calls seccomp, fsync and fdatasync.
_CALLS = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}

# From <linux/seccomp.h>, <linux/prctl.h> and <linux/bpf_common.h>.
_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_ASK, _ALLOW = 0x7FC00000, 0x7FFF0000
_LOAD_WORD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTIFICATION_BYTES = 80

ROOT = Path(__file__).resolve().parents[2]

#: Beside the record: seconds that each flush takes longer.
DELAY_SUFFIX = ".delay"


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


@dataclass(frozen=True)
class Flush:
    """Bytes of a file that are safe.

    Attributes:
        at_s: when the program wrote for the last time before, on the monotonic clock.
        inode: of the file, which may be renamed later.
        size: of the file at that moment.
    """

    at_s: float
    inode: int
    size: int


def main(arguments: list[str]) -> None:
    """Becomes the program, with a watcher beside it."""
    record, _, *command = arguments
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        # Twice, so that the program has no child that it does not know.
        if os.fork() == 0:
            _watch(theirs, Path(record))
        os._exit(0)
    os.waitpid(child, 0)
    theirs.close()
    listener = _install_filter()
    socket.send_fds(ours, [b"x"], [listener])
    os.close(listener)
    ours.close()
    os.execv(command[0], command)


def flushes(record: Path) -> dict[int, Flush]:
    """Returns the last completed flush of each file, by its inode."""
    found: dict[int, Flush] = {}
    for line in record.read_text().splitlines():
        at, inode, size = line.split(" ")
        found[int(inode)] = Flush(float(at), int(inode), int(size))
    return found


def is_possible() -> bool:
    """Whether this machine can do it: its kernel is asked, which a sandbox may not allow."""
    if sys.platform != "linux" or platform.machine() not in _CALLS:
        return False
    command = [sys.executable, "-P", "-m", "tests.chaos.disk", os.devnull, "--", "/bin/true"]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True).returncode == 0


def environment() -> dict[str, str]:
    """Returns the variables with which this program is found."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _install_filter() -> int:
    """Has the kernel ask about each flush of this process from now on; returns whom it asks.

    Raises:
        OSError: the kernel does not do it.
    """
    seccomp, fsync, fdatasync = _CALLS[platform.machine()]
    lines = (
        (_LOAD_WORD, 0, 0, 0),
        (_JUMP_EQUAL, 1, 0, fsync),
        (_JUMP_EQUAL, 0, 1, fdatasync),
        (_RETURN, 0, 0, _ASK),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = _Filter(len(lines), ctypes.cast(code, ctypes.c_void_p))
    listener: int = libc.syscall(seccomp, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the kernel lets nobody watch system calls (seccomp)")
    return listener


def _watch(channel: socket.socket, record: Path) -> None:
    """Carries out what the program asks for until that has ended."""
    _, (listener, *_), _, _ = socket.recv_fds(channel, 1, 1)
    channel.close()
    delay = record.with_name(record.name + DELAY_SUFFIX)
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    with record.open("a", buffering=1) as notes:
        while not any(events & select.POLLHUP for _, events in poll.poll()):
            notification = bytearray(_NOTIFICATION_BYTES)
            try:
                fcntl.ioctl(listener, _RECEIVE, notification)
                number, pid, _, _, _, _, descriptor = struct.unpack_from("=QIIiIQQ", notification)
                status = _flush(f"/proc/{pid}/fd/{descriptor}", delay, notes.write)
                fcntl.ioctl(listener, _SEND, bytearray(struct.pack("=QqiI", number, 0, -status, 0)))
            except OSError as error:
                # It was killed while it asked.
                if error.errno not in (errno.ENOENT, errno.EINTR):
                    raise


def _flush(path: str, delay: Path, note: Callable[[str], object]) -> int:
    """Flushes a file that the program has open; returns an error's number or 0."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return error.errno or errno.EIO
    try:
        before = os.fstat(descriptor)
        # The program ordered this flush right after its last write; it may be seen here any time later, and
        # the program goes on meanwhile without writing.
        at_s = time.monotonic() - max(0.0, time.time() - before.st_mtime)
        time.sleep(_delay_s(delay))
        os.fdatasync(descriptor)
        note(f"{at_s:.6f} {before.st_ino} {before.st_size}\n")
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        os.close(descriptor)
    return 0


def _delay_s(path: Path) -> float:
    try:
        return float(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


if __name__ == "__main__":
    main(sys.argv[1:])
