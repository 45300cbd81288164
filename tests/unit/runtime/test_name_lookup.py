"""How long the C library looks for a host."""

import os
import subprocess
import sys

import pytest

from athena.runtime.name_lookup import VARIABLE, limit_lookups

#: The first two numbers of glibc's `struct __res_state` (resolv.h): seconds, how often each server is asked.
CODE = """
import ctypes, os, socket, sys
import athena.__main__ as command
sys.argv = ["athena"]
assert command.main() == 0
libc = ctypes.CDLL(None)
try:
    socket.getaddrinfo("name.invalid", 1)
except OSError:
    pass
assert libc.__res_init() == 0
libc.__res_state.restype = ctypes.POINTER(ctypes.c_int * 2)
print(*libc.__res_state().contents)
"""


@pytest.mark.parametrize(
    ("own", "limits"), [(None, "1 2"), ("attempts:3", "1 3"), ("timeout:9 rotate", "9 2")]
)
def test_the_c_library_gives_up_soon_unless_an_operator_wants_more(own: str | None, limits: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if own is not None:
        environment[VARIABLE] = own
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)

    assert done.stdout.splitlines()[-1] == limits


def test_children_have_the_same_limits() -> None:
    environ: dict[str, str] = {}

    limit_lookups(environ)
    limit_lookups(environ)

    assert environ[VARIABLE].startswith("timeout:1 attempts:2")
