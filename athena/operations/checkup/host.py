"""What can be wrong with the machine on which `athena doctor` is typed; the command looks, this judges."""

from collections.abc import Iterator
from dataclasses import dataclass

from athena.operations.checkup.ailment import Ailment

#: Of free disk: less than this, as a share and in bytes, may end soon.
MIN_FREE_SHARE, MIN_FREE_BYTES = 0.05, 2**30

#: Of free memory: below both the kernel begins to end processes.
MIN_MEMORY_SHARE, MIN_MEMORY_BYTES = 0.05, 2**29

#: Fewer open files turn callers away long before memory or processor are used up.
MIN_OPEN_FILES = 4096

#: What listens on a port.
FREE, OURS, OTHER, SILENT = "nobody", "Athena", "another program", "somebody who does not answer"

#: onnxruntime's name of CUDA.
CUDA = "CUDAExecutionProvider"

_GPU_EXTRA = "pip uninstall onnxruntime, then pip install 'athena-serving[gpu]'"


@dataclass(frozen=True)
class Disk:
    """The file system of a folder."""

    folder: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Port:
    """A port of the settings; `listener` is `FREE`, `OURS`, `OTHER` or `SILENT`."""

    variable: str
    number: int
    listener: str


@dataclass(frozen=True)
class DeviceTrial:
    """How a small model fared on a device.

    Attributes:
        device: how people know it: `CPU`, or place and product of a GPU.
        used: the providers of onnxruntime that computed it.
        is_right: whether its answer was the right one.
        error: why there is no answer, "" if there is one.
        said: what its process wrote to standard error, the end of it.
    """

    device: str
    used: tuple[str, ...] = ()
    is_right: bool = False
    error: str = ""
    said: str = ""

    @property
    def verdict(self) -> str:
        """What became of it, in a few words."""
        if self.error:
            return self.error
        return f"ran on {', '.join(self.used)}" + ("" if self.is_right else ", with a wrong answer")


@dataclass(frozen=True)
class GpuFacts:
    """The GPUs that workers could be pinned to.

    Attributes:
        problem: why the driver tells nothing; "" without a driver, and where it tells.
        driver: its version, "" without one.
        problems: of single GPUs, each with its place and product.
        trials: of those without one.
    """

    problem: str = ""
    driver: str = ""
    problems: tuple[str, ...] = ()
    trials: tuple[DeviceTrial, ...] = ()


@dataclass(frozen=True)
class HostFacts:
    """A machine.

    Attributes:
        versions: of what Athena is made of; package -> version, "" for one that is not installed.
        misfits: packages that are missing or do not fit, in words.
        onnxruntime: version of what could be imported; "" if nothing could.
        providers: those that it was built with.
        open_files: how many a process may have at most; -1 for any number.
        memory_bytes: what processes may use; 0 if unknown.
        free_memory_bytes: None if unknown.
        unknown_variables: `ATHENA_…` that is no setting, and the nearest setting or "".
    """

    versions: dict[str, str]
    misfits: tuple[str, ...] = ()
    onnxruntime: str = ""
    providers: tuple[str, ...] = ()
    gpus: GpuFacts = GpuFacts()
    cpu_trial: DeviceTrial | None = None
    open_files: int = -1
    memory_bytes: int = 0
    free_memory_bytes: int | None = None
    disks: tuple[Disk, ...] = ()
    ports: tuple[Port, ...] = ()
    unknown_variables: tuple[tuple[str, str], ...] = ()


def host_ailments(facts: HostFacts) -> list[Ailment]:
    """Returns what is wrong with a machine."""
    return [
        *_of_packages(facts),
        *_of_gpus(facts),
        *_of_limits(facts),
        *(ailment for disk in facts.disks for ailment in _of_disk(disk)),
        *_of_ports(facts),
        *_of_variables(facts),
    ]


def _of_packages(facts: HostFacts) -> Iterator[Ailment]:
    for misfit in facts.misfits:
        yield Ailment(misfit, "make install, or pip install with -c constraints.txt")
    # Both bring the module `onnxruntime`; which one is imported depends on which was installed last.
    if facts.versions.get("onnxruntime") and facts.versions.get("onnxruntime-gpu"):
        yield Ailment(
            "onnxruntime and onnxruntime-gpu are both installed", f"{_GPU_EXTRA}, or keep the other"
        )
    trial = facts.cpu_trial
    if trial is not None and (trial.error or not trial.is_right):
        yield Ailment(f"onnxruntime does not work: {trial.verdict}", "install it anew: make install")


def _of_gpus(facts: HostFacts) -> Iterator[Ailment]:
    gpus = facts.gpus
    if gpus.problem:
        yield Ailment(gpus.problem, "nvidia-smi and dmesg say more; docs/gpu.md")
    for problem in gpus.problems:
        yield Ailment(problem, "repair or reset it; its workers run elsewhere meanwhile (docs/gpu.md)")
    # Abilities of other libraries do not need it: without onnxruntime nothing is wrong.
    if gpus.trials and facts.onnxruntime and CUDA not in facts.providers:
        yield Ailment(
            f"{gpus.trials[0].device}: this onnxruntime ({facts.onnxruntime}) is built without CUDA",
            _GPU_EXTRA,
        )
        return
    for trial in gpus.trials if facts.onnxruntime else ():
        if trial.error or not trial.is_right or CUDA not in trial.used:
            yield Ailment(
                f"{trial.device} does not compute: a small model {_fared(trial)}",
                "CUDA and cuDNN must fit onnxruntime-gpu and the driver: "
                "pip install 'onnxruntime-gpu[cuda,cudnn]'; docs/gpu.md",
            )


def _fared(trial: DeviceTrial) -> str:
    if trial.error:
        return f"was not answered: {trial.error}"
    said = " ".join(trial.said.split())
    return f"{trial.verdict} ({said})" if said else trial.verdict


def _of_limits(facts: HostFacts) -> Iterator[Ailment]:
    if 0 <= facts.open_files < MIN_OPEN_FILES:
        yield Ailment(
            f"processes may have {facts.open_files} open files, so a gateway takes fewer connections",
            "raise the hard limit: ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of docker",
        )
    free = facts.free_memory_bytes
    if free is not None and free < MIN_MEMORY_BYTES and free < MIN_MEMORY_SHARE * facts.memory_bytes:
        yield Ailment(
            f"this host has {free // 2**20} MiB of memory left, and the kernel may end processes",
            "run fewer workers (worker.cpu_workers, worker.max_memory_mb), or give it more memory",
        )


def _of_disk(disk: Disk) -> Iterator[Ailment]:
    if disk.free_bytes < MIN_FREE_BYTES or disk.free_bytes < MIN_FREE_SHARE * disk.total_bytes:
        yield Ailment(
            f"the file system of {disk.folder} has {disk.free_bytes // 2**20} MiB left",
            "free space there, or choose another folder with --data or ATHENA_LOG_DIR",
        )


def _of_ports(facts: HostFacts) -> Iterator[Ailment]:
    for port in facts.ports:
        if port.listener == OTHER:
            yield Ailment(
                f"port {port.number} ({port.variable}) belongs to another program",
                f"end that, or choose another port: {port.variable}",
            )
        elif port.listener == SILENT:
            yield Ailment(
                f"who listens on port {port.number} ({port.variable}) does not answer",
                "if it is Athena's process, end it, and its supervisor starts another one (docs/runbook.md)",
            )


def _of_variables(facts: HostFacts) -> Iterator[Ailment]:
    for name, nearest in facts.unknown_variables:
        yield Ailment(
            f"{name} is no setting, and nobody reads it",
            f"did you mean {nearest}?" if nearest else "docs/settings.md lists them all",
        )


def facts_table(facts: HostFacts) -> list[tuple[str, str]]:
    """Returns what was found, for people: a name, and what it is."""
    gpus = facts.gpus
    trials = [*([facts.cpu_trial] if facts.cpu_trial else ()), *gpus.trials]
    return [
        *((name, version or "not installed") for name, version in facts.versions.items()),
        ("onnxruntime's providers", ", ".join(facts.providers) or "none"),
        ("GPU driver", gpus.driver or gpus.problem or "no GPU"),
        *((f"small model on {trial.device}", trial.verdict) for trial in trials),
        ("open files", "no limit" if facts.open_files < 0 else str(facts.open_files)),
        ("memory", _mebibytes(facts.free_memory_bytes, facts.memory_bytes)),
        *((f"disk of {disk.folder}", _mebibytes(disk.free_bytes, disk.total_bytes)) for disk in facts.disks),
        *((f"port {port.number} ({port.variable})", port.listener) for port in facts.ports),
    ]


def _mebibytes(free: int | None, total: int) -> str:
    return f"{'?' if free is None else free // 2**20} of {total // 2**20} MiB free"
