"""What the chart makes of values, by the real Helm."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.house import ROOT

CHART = ROOT / "deploy" / "helm" / "athena"
GOLDEN = ROOT / "tests" / "data" / "chart"
HELM = ROOT / ".tools" / "bin" / "helm"
SCHEMAS = ROOT / ".tools" / "kubernetes-validate"

#: Values that show what the chart can do.
CASES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))

#: Objects of the monitoring folder are long, and compared with their files.
_COPIES = ("PrometheusRule", "ConfigMap")


def install_tools() -> None:
    """Fetches Helm and the schemas, where they are missing.

    Raises:
        CalledProcessError: they cannot be had; the script has said why.
    """
    subprocess.run([ROOT / "scripts" / "install-helm.sh"], check=True)


def helm(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Runs Helm, with folders of its own."""
    environment = {**os.environ, "HELM_CACHE_HOME": "/nonexistent", "HELM_CONFIG_HOME": "/nonexistent"}
    return subprocess.run([HELM, *arguments], env=environment, capture_output=True, text=True, timeout=120)


def render(case: str, *options: str) -> str:
    """Returns the objects of a case, as YAML."""
    done = helm("template", "athena", CHART, "--values", CHART / "ci" / f"{case}.yaml", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[dict[str, Any]]:
    """Returns the objects of YAML."""
    return [item for item in yaml.safe_load_all(text) if item]


def golden(text: str) -> str:
    """Returns what is kept of a case, to be compared: the same for each version."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    kept = [item for item in objects(text) if item["kind"] not in _COPIES]
    return yaml.safe_dump_all(kept, sort_keys=True, width=120).replace(version, "VERSION")


def validate(file: Path, version: str) -> "subprocess.CompletedProcess[str]":
    """Holds objects against the schemas of a version of Kubernetes; those of operators have none there."""
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "--no-warn", "--quiet"]
    return subprocess.run(
        [*command, "-k", version, str(file)],
        env={**os.environ, "PYTHONPATH": str(SCHEMAS)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def main() -> None:
    """Renews what the cases are compared with."""
    install_tools()
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        (GOLDEN / f"{case}.yaml").write_text(golden(render(case)))


if __name__ == "__main__":
    main()
