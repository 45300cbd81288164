"""A stand-in for NVIDIA's management library, and fleets for it. See `standin.c` for what it answers."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parent / "standin.c"
LIBRARY = "libnvidia-ml.so.1"


def build(folder: Path) -> Path:
    """Compiles the library into a folder and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / LIBRARY).exists():
        unfinished = folder / f"{LIBRARY}.{os.getpid()}"
        command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(unfinished)]
        subprocess.run([*command, str(SOURCE)], check=True)
        unfinished.rename(folder / LIBRARY)
    return folder


@dataclass
class StandInGpu:
    """One GPU of a stand-in fleet; `lines` are added as they are."""

    product: str
    uuid: str
    memory_mib: int
    lines: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Returns its part of the file."""
        head = [f"gpu {self.product}", f"uuid {self.uuid}", f"memory {self.memory_mib} {self.memory_mib}"]
        return "\n".join([*head, *self.lines]) + "\n"


def t4s(count: int, first: int = 0) -> list[StandInGpu]:
    """Returns T4s."""
    return [
        StandInGpu("Tesla T4", f"GPU-{index:08d}-7474-0000-0000-000000000000", 15360, ["capability 7 5"])
        for index in range(first, first + count)
    ]


def a100s(count: int, first: int = 0) -> list[StandInGpu]:
    """Returns A100s of 80 GB."""
    return [
        StandInGpu(
            "NVIDIA A100-SXM4-80GB",
            f"GPU-{index:08d}-a100-0000-0000-000000000000",
            81920,
            ["capability 8 0", "ecc 0"],
        )
        for index in range(first, first + count)
    ]


def h200s(count: int, first: int = 0) -> list[StandInGpu]:
    """Returns H200s."""
    return [
        StandInGpu("NVIDIA H200", f"GPU-{index:08d}-4200-0000-0000-000000000000", 143771, ["capability 9 0"])
        for index in range(first, first + count)
    ]


def write_fleet(path: Path, gpus: Iterable[StandInGpu], head: Iterable[str] = ()) -> None:
    """Writes the file that the library reads; programs that look at it see all of it or nothing."""
    lines = ["driver 550.54.15", "cuda 12040", *head]
    unfinished = path.with_suffix(".new")
    unfinished.write_text("\n".join(lines) + "\n" + "".join(gpu.text() for gpu in gpus), encoding="utf-8")
    unfinished.replace(path)


def environment(library_folder: Path, fleet: Path, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the variables with which a process finds the stand-in, and no other library."""
    paths = [str(library_folder), base.get("LD_LIBRARY_PATH", "")]
    return {"LD_LIBRARY_PATH": ":".join(filter(None, paths)), "NVML_STANDIN": str(fleet)}
