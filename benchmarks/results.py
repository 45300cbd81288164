"""What a scenario measured, with the machine and the versions: JSON files in docs/benchmarks."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.autogroup import sharing
from benchmarks.figures import median_ratio, spread
from benchmarks.harness import ROOT

FOLDER = ROOT / "docs" / "benchmarks"

#: How contestants are shown, by the beginning of their names.
ORDER = ("athena", "mosec", "litserve", "bentoml", "ray", "celery", "bare")

#: The load at which a series was measured: {"clients": 64} or {"share": 0.5}.
Load = Mapping[str, float]


@dataclass
class Series:
    """One contestant under one load; `rounds` hold the figures of each round, in their order."""

    contestant: str
    load: dict[str, float]
    rounds: list[dict[str, float]] = field(default_factory=list)

    def values(self, name: str) -> list[float]:
        """Returns a figure of each round; a round without it, an empty list."""
        return [item[name] for item in self.rounds if name in item]

    def median(self, name: str) -> float | None:
        """Returns the median of a figure, or None where it was not measured."""
        values = self.values(name)
        return float(median(values)) if values else None

    def spread(self, name: str) -> float:
        """Returns how far the rounds lie apart, as a share of the median."""
        return spread(self.values(name))

    def parts(self, prefix: str) -> dict[str, float]:
        """Returns the medians of the figures that begin with a prefix, by the rest of their names."""
        names = {name for item in self.rounds for name in item if name.startswith(prefix)}
        return {name.removeprefix(prefix): float(median(self.values(name))) for name in sorted(names)}


@dataclass
class Result:
    """A scenario's outcome.

    Attributes:
        figures: what belongs to no contestant, for example a queued picture's memory.
    """

    scenario: str
    series: list[Series] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def add(self, contestant: str, load: Load, figures: Mapping[str, float]) -> None:
        """Adds a round's figures."""
        series = self.find(contestant, load)
        if series is None:
            series = Series(contestant, dict(load))
            self.series.append(series)
        series.rounds.append(dict(figures))

    def find(self, contestant: str, load: Load) -> Series | None:
        """Returns a contestant's series under a load."""
        matching = (item for item in self.series if item.contestant == contestant and item.load == dict(load))
        return next(matching, None)

    def contestants(self) -> list[str]:
        """Returns the contestants in the order in which they are always shown."""
        return sorted({item.contestant for item in self.series}, key=_place)

    def loads(self) -> list[dict[str, float]]:
        """Returns the loads in their order."""
        return sorted(
            (dict(pairs) for pairs in {tuple(item.load.items()) for item in self.series}),
            key=lambda load: tuple(load.values()),
        )

    def ratio(self, name: str, mine: str, theirs: str, load: Load) -> float | None:
        """Returns the median of the ratios of a figure within each round, or None where there is none."""
        one, other = self.find(mine, load), self.find(theirs, load)
        if one is None or other is None or 0 in other.values(name):
            return None
        return median_ratio(one.values(name), other.values(name))


def _place(name: str) -> tuple[int, str]:
    known = (place for place, prefix in enumerate(ORDER) if name.startswith(prefix))
    return next(known, len(ORDER)), name


def save(result: Result, folder: Path = FOLDER) -> Path:
    """Writes a result."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.scenario}.json"
    path.write_text(json.dumps(asdict(result), indent=1) + "\n")
    return path


def load(path: Path) -> Result:
    """Reads a result."""
    stored: dict[str, Any] = json.loads(path.read_text())
    series = [Series(**item) for item in stored.pop("series")]
    return Result(**stored, series=series)


def round_off(figures: Mapping[str, float]) -> dict[str, float]:
    """Returns figures with five digits, which is more than they are worth."""
    return {name: float(f"{value:.5g}") for name, value in figures.items()}


def about_run(command: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Returns what has to be known of a run of rounds to judge or repeat it."""
    versions = {name: version(name) for name in ("celery", "flask", "redis", "uvicorn", "uvloop")}
    versions |= peer_versions()
    return {**about(command), "rounds": rounds, "seconds": seconds, "versions": versions}


def about(command: str) -> dict[str, Any]:
    """Returns when, where and of what something was measured."""
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": {
            "cpu": _cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "shared_by": sharing(),
        },
    }


def peer_versions(folder: Path = ROOT / "benchmarks" / "peers") -> dict[str, str]:
    """Returns the version of each peer, out of its requirements."""
    packages = {"bentoml": "bentoml", "litserve": "litserve", "mosec": "mosec", "ray": "ray"}
    packages["celery"] = "gunicorn"
    found: dict[str, str] = {}
    for peer, package in packages.items():
        pinned = re.search(rf"(?m)^{package}==(\S+)$", (folder / f"{peer}.txt").read_text())
        if pinned:
            found[package] = pinned[1]
    return found


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _cpu_model() -> str:
    found = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()
