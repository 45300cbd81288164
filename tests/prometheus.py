"""Prometheus and what belongs to it, as the tests run them."""

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.house import ROOT

TOOLS = ROOT / ".tools" / "bin"


def install_tools() -> Path:
    """Returns where the programs are; they are fetched where they are missing.

    Raises:
        CalledProcessError: they cannot be had; the script has said why.
    """
    subprocess.run([ROOT / "scripts" / "install-prometheus.sh"], check=True)
    return TOOLS


class Prometheus:
    """A Prometheus that runs, and the Alertmanager beside it."""

    def __init__(self, port: int, alertmanager_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.alertmanager_url = f"http://127.0.0.1:{alertmanager_port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Returns what an expression comes to now: labels as `metric`, time and value as `value`."""
        result: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return result

    def query_range(
        self, expression: str, start_s: float, end_s: float, step_s: float
    ) -> list[dict[str, Any]]:
        """Returns what an expression came to from time to time: labels as `metric`, points as `values`."""
        times = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}s"}
        result: list[dict[str, Any]] = self._get("query_range", query=expression, **times)["result"]
        return result

    def value(self, expression: str) -> float | None:
        """Returns the one value of an expression; None where there is no series."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> dict[str, list[dict[str, Any]]]:
        """Returns the alerts that fire, by name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in self._get("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found

    def delivered(self) -> set[str]:
        """Returns the names of the alerts that Alertmanager was told of."""
        with urllib.request.urlopen(f"{self.alertmanager_url}/api/v2/alerts", timeout=30) as answer:
            return {alert["labels"]["alertname"] for alert in json.load(answer)}

    def _get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]
