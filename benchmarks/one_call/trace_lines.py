"""What `strace -f -ttt -T -yy` writes: the system calls of some threads, in their order."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OPTIONS = ("-ttt", "-T", "-yy", "-s", "16")

#: strace shows a call that others come in between of as two lines.
_WHOLE = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*)\) += (.*?)(?: <([\d.]+)>)?$")
_BEGIN = re.compile(r"(\d+) +([\d.]+) (\w+)\((.*?) ?<(?:unfinished|detached) \.\.\.>$")
_END = re.compile(r"(\d+) +([\d.]+) <\.\.\. (\w+) resumed>(.*)\) += (.*?)(?: <[\d.]+>)?$")

#: A socket as strace shows it: what it is here and at the other end.
_SOCKET = re.compile(r"\d+<(?:TCP|TCPv6|UNIX|UNIX-STREAM):\[(.+?)->(.+?)(?:,\".*?\")?\]>")
_FUTEX = re.compile(r"(0x[0-9a-f]+), FUTEX_(WAIT|WAKE)")
_TIMEOUT_0 = re.compile(r", 0(?:, NULL, \d+)?$")

_SENDING = ("write", "writev", "sendto", "sendmsg")
_RECEIVING = ("read", "readv", "recvfrom", "recvmsg")
_WAITING = (
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "restart_syscall",
)

#: From whom to whom: the two ends of a connection, or a lock twice.
Address = tuple[str, str]


@dataclass(frozen=True)
class SystemCall:
    """A system call of a thread."""

    thread: int
    name: str
    began_s: float
    ended_s: float
    arguments: str
    result: str

    @property
    def number(self) -> int:
        """What it returned; an error is negative."""
        found = re.match(r"-?\d+", self.result)
        return int(found[0]) if found else 0

    @property
    def sends(self) -> Address | None:
        """Where something went that can wake another thread."""
        if self.name in _SENDING and self.number > 0:
            return self._ends()
        return self._lock("WAKE") if self.number > 0 else None

    @property
    def receives(self) -> Address | None:
        """Where something came from, as the address of who has sent it there."""
        if self.name in _RECEIVING and self.number > 0:
            ends = self._ends()
            return (ends[1], ends[0]) if ends else None
        return self._lock("WAIT") if self.number == 0 else None

    @property
    def may_sleep(self) -> bool:
        """Whether it waits for others where there is nothing to be had at once."""
        if self.name in _WAITING:
            return "POLLOUT" not in self.arguments and not _TIMEOUT_0.search(self.arguments)
        if self.name == "futex":
            return "FUTEX_WAIT" in self.arguments and "EAGAIN" not in self.result
        return self.receives is not None

    @property
    def is_lock(self) -> bool:
        """Whether it is one of a lock."""
        return self.name == "futex"

    def _ends(self) -> Address | None:
        found = _SOCKET.match(self.arguments)
        return (found[1], found[2]) if found else None

    def _lock(self, what: str) -> Address | None:
        found = _FUTEX.match(self.arguments) if self.is_lock else None
        return (found[1], found[1]) if found and found[2] == what else None


def system_calls(lines: Iterable[str]) -> Iterator[SystemCall]:
    """Yields the calls in the order in which they end; one that strace was told to leave alone never ends."""
    open_calls: dict[int, re.Match[str]] = {}
    for line in lines:
        if began := _BEGIN.match(line):
            open_calls[int(began[1])] = began
        elif ended := _END.match(line):
            begin = open_calls.pop(int(ended[1]), None)
            if begin and begin[3] == ended[3]:
                arguments = begin[4] + ended[4]
                yield SystemCall(
                    int(ended[1]), ended[3], float(begin[2]), float(ended[2]), arguments, ended[5]
                )
        elif whole := _WHOLE.match(line):
            began_s = float(whole[2])
            ended_s = began_s + float(whole[6] or 0)
            yield SystemCall(int(whole[1]), whole[3], began_s, ended_s, whole[4], whole[5])
    for thread, begin in open_calls.items():
        yield SystemCall(thread, begin[3], float(begin[2]), math.inf, begin[4], "?")
