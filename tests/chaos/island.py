"""A network of one host's own (`ip-netns(8)`), whose cable can be pulled. Needs root and iproute2."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator


def why_not() -> str:
    """Returns why this machine can have none; "" where it can."""
    if os.geteuid():
        return "only root may make network namespaces"
    if not shutil.which("ip"):
        return "there is no program ip (iproute2)"
    name = _name("probe")
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode:
        return f"no network namespace: {done.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


class Island:
    """A namespace with one cable to this machine.

    Attributes:
        gateway: this machine's address at the other end of the cable.
    """

    def __init__(self) -> None:
        self._name = _name("far")
        # One network of 253.x for each process, so that two runs do not meet.
        number = os.getpid() % 65536
        self.gateway = f"10.{253 - number // 65536}.{number // 256}.1"
        self._address = self.gateway.removesuffix("1") + "2"
        self._cable = f"ath{os.getpid()}"

    def start(self) -> None:
        """Lays the cable."""
        _ip("netns", "add", self._name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        _ip("address", "add", f"{self.gateway}/24", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        for words in (f"address add {self._address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _ip("-n", self._name, *words.split())

    def stop(self) -> None:
        """Removes it; what runs there loses its network."""
        _ip("link", "del", self._cable)
        _ip("netns", "del", self._name)

    def command(self, command: list[str]) -> list[str]:
        """Returns the command of a program that runs there."""
        return ["ip", "netns", "exec", self._name, *command]

    @contextlib.contextmanager
    def cut_off(self) -> Iterator[None]:
        """Pulls the cable for the time of a block."""
        self.is_cut_off = True
        _ip("link", "set", self._cable, "down")
        try:
            yield
        finally:
            _ip("link", "set", self._cable, "up")
            self.is_cut_off = False

    is_cut_off = False


def _name(word: str) -> str:
    return f"athena-{word}-{os.getpid()}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)
