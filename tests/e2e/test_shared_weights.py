"""Two workers of one large model map one copy of its weights."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from benchmarks.weights import save_model

from .conftest import ATHENA, ROOT, Stack, serving

pytestmark = pytest.mark.redis


def mapped(stack: Stack, cache: Path) -> list[set[str]]:
    """Returns which files of the cache each worker maps."""
    workers = stack.children("-m", "workers")
    return [{item.path for item in process.memory_maps() if str(cache) in item.path} for process in workers]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_map_one_copy_of_a_large_model(tmp_path: Path, workers: int) -> None:
    cache, ability = tmp_path / "cache", tmp_path / "weights"
    save_model(tmp_path / "model.onnx", megabytes=67)
    shutil.copytree(ROOT / "benchmarks" / "abilities" / "weights", ability)
    (ability / "ability.toml").write_text(f'service_id = "weights"\n[worker]\ncpu_workers = {workers}\n')
    variables = {"WEIGHTS_MODEL": str(tmp_path / "model.onnx"), "ATHENA_CACHE_DIR": str(cache)}

    with serving(tmp_path, ability, **variables) as stack:
        files = mapped(stack, cache)
        answer = stack.post("/weights", {"seed": "1"})

    checked = subprocess.run(
        [*ATHENA, "check", "--json", str(ability)], env={**os.environ, **variables}, capture_output=True
    )
    memory = json.loads(checked.stdout)["memory"]

    assert memory["memory"] > 67_000_000
    assert (memory["shared"] > 67_000_000) == (workers == 2)
    assert answer.status_code == 200, answer.text
    if workers == 1:
        # Nobody to share with: no copy is made.
        assert files == [set()] and not (cache / "models").exists()
    else:
        assert len(files) == 2 and files[0] == files[1]
        (file,) = files[0]
        assert file.endswith("/model.onnx.weights")
        assert Path(file).stat().st_uid == psutil.Process().uids().real
