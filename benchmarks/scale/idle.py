"""What is used while nothing is sent, with one ability and with many registered ones."""

import dataclasses
import tempfile
import time
from pathlib import Path

from athena.protocol.interface import DataSpec, Interface, Limits
from athena.store.keys import ABILITIES
from athena.supervisor.heartbeat import LEARN_S
from benchmarks.harness import served
from benchmarks.scale.stack import Usage, client_of, gate_ability

TYPES = ("T4G16", "L4G24", "A10G24", "A100G40", "A100G80", "H100G80", "H200G141", "cpu")

TEXT = DataSpec("text")
ABILITY = Interface("", "v1", "", (), (TEXT,), (TEXT,), TYPES, True, Limits())

#: A few workers, as many as the machine can be idle with.
WORKERS = 3

#: Until all have read the registry and built their schemas.
SETTLE_S = LEARN_S + 3


def measure(abilities: int, seconds: float) -> dict[str, object]:
    """Looks at a stack with one ability, then with many."""
    with (
        tempfile.TemporaryDirectory(prefix="athena-bench-") as name,
        served(gate_ability(Path(name), cpu_workers=WORKERS)) as athena,
    ):
        client = client_of(athena)

        def look() -> dict[str, float]:
            time.sleep(SETTLE_S)
            before = Usage.now(athena, client)
            time.sleep(seconds)
            return Usage.now(athena, client).per_second(before)

        alone = look()
        for number in range(abilities - 1):
            interface = dataclasses.replace(ABILITY, service_id=f"idle{number}")
            client.hset(ABILITIES, interface.service_id, interface.encode())
        return {
            "workers": WORKERS,
            "one_ability": alone,
            "abilities": abilities,
            "queues": abilities * (len(TYPES) + 1) * 3,
            "many_abilities": look(),
        }
