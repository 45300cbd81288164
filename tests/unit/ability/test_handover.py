"""An ability on its way to its worker."""

from pathlib import Path

import pytest

from athena.ability.handover import decode_ability, encode_ability
from athena.ability.manifest import load_ability

FULL = """
service_id = "full"
version = "v9"
description = "Größe: €"
header_params = ["app_id", "uid"]
schema = "other.json"
[gpu]
types = ["T4G16", "cpu"]
fallback = false
memory_mb = 500
workers_per_gpu = 2
share = 0.25
[worker]
slots = 20
max_batch = 10
max_wait_ms = 2.5
max_jobs = 7
max_memory_mb = 900
cpu_workers = 3
[limits]
max_queue_s = 1.5
max_attempts = 9
[resources]
dir = "voices"
max_loaded = 2
[config]
path = "m.onnx"
deep = { x = 1 }
"""


@pytest.mark.parametrize("text", ["", FULL])
def test_worker_gets_what_its_supervisor_has_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrapper.py").touch()
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "ability.toml").write_text(text)
    ability = load_ability(tmp_path)

    assert decode_ability(encode_ability(ability)) == ability
