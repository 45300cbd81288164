"""How long the C library looks for the address of a host, which nobody can hurry once it has begun."""

import os
from collections.abc import MutableMapping

VARIABLE = "RES_OPTIONS"

#: By default glibc gives each name server 5 s, twice: with two that do not answer, 20 s.
LIMITS = "timeout:1 attempts:2"


def limit_lookups(environ: MutableMapping[str, str] = os.environ) -> None:
    """Limits the lookups of this process, to come yet, and of its children; an operator's options win."""
    environ[VARIABLE] = f"{LIMITS} {environ.get(VARIABLE, '')}".strip()
