"""A network of one host's own (`ip-netns(8)`), whose cable can be pulled. Needs root and iproute2."""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address


def why_not() -> str:
    """Returns why this machine can have none; "" where it can."""
    if os.geteuid():
        return "only root may make network namespaces"
    if not shutil.which("ip"):
        return "there is no program ip (iproute2)"
    name = _name()
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode:
        return f"no network namespace: {done.stderr.strip()}"
    _ip("netns", "del", name)
    return ""


class Island:
    """A namespace with one cable to this machine.

    Attributes:
        gateway: this machine's address at the other end of the cable.
        is_cut_off: whether the cable is pulled.
    """

    def __init__(self) -> None:
        self._name = _name()
        self._cable = f"ath{self._name[-8:]}"
        # Of the block for tests (RFC 2544), drawn, so that those of several runs hardly meet.
        network = f"198.18.{secrets.randbelow(256)}.{4 * secrets.randbelow(64)}"
        self.gateway, self._address = (str(IPv4Address(network) + number) for number in (1, 2))
        self.is_cut_off = False

    def start(self) -> None:
        """Lays the cable."""
        _ip("netns", "add", self._name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        _ip("address", "add", f"{self.gateway}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        for words in (f"address add {self._address}/30 dev eth0", "link set eth0 up", "link set lo up"):
            _ip("-n", self._name, *words.split())

    def stop(self) -> None:
        """Removes it; what runs there loses its network."""
        for words in (("link", "del", self._cable), ("netns", "del", self._name)):
            subprocess.run(["ip", *words], capture_output=True, timeout=30)

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


def _name() -> str:
    return f"athena-{secrets.token_hex(4)}"


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
