"""The images' files; `make deploy-check` builds and starts the images themselves."""

import re
import string
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from athena.cli.author.create import TEMPLATE
from athena.supervisor.embedded_redis import server_command
from athena.supervisor.redis_server import Edition, RedisServer

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "deploy" / "images"
DOCKERFILE = (IMAGES / "Dockerfile").read_text(encoding="utf-8")

#: What is built to be shipped; the rest are steps on the way.
TARGETS = ("gateway", "redis", "worker", "worker-ocr", "worker-gpu")


def hadolint(path: Path) -> str:
    """Returns what hadolint has to say."""
    program = str(Path(sys.executable).with_name("hadolint"))
    command = [program, "--config", str(IMAGES / ".hadolint.yaml"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_the_images_are_clean() -> None:
    assert hadolint(IMAGES / "Dockerfile") == ""


def test_what_pack_writes_is_clean(tmp_path: Path) -> None:
    text = (resources.files("athena.cli") / TEMPLATE / "Dockerfile").read_text(encoding="utf-8")
    path = tmp_path / "Dockerfile"
    path.write_text(string.Template(text).substitute(name="words", athena="1.0.0"))

    assert hadolint(path) == ""


def test_hadolint_finds_faults(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM debian\nRUN cd /tmp\n")

    assert "DL3006" in hadolint(path)


def steps(target: str) -> str:
    """Returns the steps of a stage above the base, those of the stages that it is made from included."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    stages = {
        name: (below, text) for below, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }
    found = ""
    while target != "base":
        target, text = stages[target]
        found = text + found
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_shipped_holds_no_step_and_is_nobody_s_root(target: str) -> None:
    made = steps(target)

    # Nothing of it was built here, so that no layer has wheels or what they were made with.
    assert "USER 10001:0" in made
    assert "HEALTHCHECK" in made
    assert "RUN" not in made
    assert target in DOCKERFILE.partition("ARG BASE")[0]


def test_redis_in_a_container_is_set_as_the_embedded_one(tmp_path: Path) -> None:
    text = (IMAGES / "valkey.conf").read_text(encoding="utf-8")
    lines = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    shipped = {name: value.strip('"') for name, _, value in lines}
    server = RedisServer(Path("valkey-server"), Edition("Valkey", "9.1.2"), is_bundled=True)
    embedded = " ".join(server_command(server, tmp_path))

    own = {"bind", "protected-mode", "dir"}
    for name in shipped.keys() - own:
        assert f"--{name} {shipped[name]}".strip() in embedded
