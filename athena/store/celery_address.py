"""Redis' address as Celery's own tools want it spelled. Workers do not use it."""

import os
from typing import Any
from urllib.parse import quote

from athena.store.address import RedisAddress, address_of, bracketed


def celery_url(target: RedisAddress | str) -> str:
    """Returns an address as kombu spells it; one with sentinels also needs `celery_options`."""
    address = address_of(target)
    login = ""
    if address.username or address.password:
        login = f"{quote(address.username, safe='')}:{quote(address.password, safe='')}@"
    if address.scheme == "unix":
        # kombu takes the query of a socket for options of its own, and calls the database so.
        database = f"?virtual_host={address.database}" if address.database else ""
        return f"redis+socket://{login}{quote(os.fsencode(address.path))}{database}"
    # kombu has no list of hosts: each sentinel is a URL of its own.
    return ";".join(
        f"{address.scheme}://{login}{bracketed(host)}:{port}/{address.database}"
        for host, port in address.hosts
    )


def celery_options(address: RedisAddress, timeout_s: float) -> dict[str, Any]:
    """Returns Celery's `broker_transport_options` for an address."""
    limits = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    if not address.master_name:
        return limits
    password = {"password": address.sentinel_password} if address.sentinel_password else {}
    return {
        **limits,
        "master_name": address.master_name,
        "sentinel_kwargs": {**limits, **password},
    }
