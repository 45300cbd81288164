"""What an operator is told of a gateway that others reach."""

from athena.runtime.listening import is_loopback
from athena.settings import Settings


def exposures(settings: Settings, asks_for_keys: bool) -> list[str]:
    """Returns what strangers can do to this gateway because of how it is set, each with the remedy."""
    if is_loopback(settings.host):
        return []
    found = []
    if not asks_for_keys:
        found.append(
            f"everybody who reaches {settings.host}:{settings.port} can run jobs, and read and cancel those "
            "of others: no keys are asked for; let it listen on 127.0.0.1 behind a proxy that asks, or on a "
            "network of its callers alone (docs/security.md)"
        )
    if not settings.tls_cert_file:
        found.append(
            f"what callers send to {settings.host}:{settings.port}, and their answers, can be read on the "
            "way: set ATHENA_TLS_CERT_FILE and ATHENA_TLS_KEY_FILE, or put a proxy with TLS before it"
        )
    return found
