"""What a program loads that calls a gateway."""

import subprocess
import sys

#: Ours that a client needs.
OURS = {
    "athena",
    "athena.errors",
    "athena.protocol",
    "athena.protocol.signature",
    "athena.protocol.signing_key",
}

#: What none of its callers should have to have, or wait for.
HEAVY = {
    "flask",
    "celery",
    "kombu",
    "redis",
    "marshmallow",
    "numpy",
    "onnxruntime",
    "api",
    "workers",
    "prometheus_client",
}


def test_client_loads_nothing_of_the_server() -> None:
    script = "import sys, athena.client; print(*sys.modules)"

    told = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)

    loaded = set(told.stdout.split())
    ours = {
        name for name in loaded if name.partition(".")[0] == "athena" and not name.startswith("athena.client")
    }
    assert ours == OURS
    assert not HEAVY & loaded


def test_public_names_are_there() -> None:
    import athena.client

    assert all(hasattr(athena.client, name) for name in athena.client.__all__)
