"""What the process runs on, as its supervisor has decided: for wrappers that place a model themselves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """What a worker may use.

    A worker on a GPU sees no other one: `CUDA_VISIBLE_DEVICES` was set before the wrapper was imported, so
    the GPU is always number 0 here.

    Attributes:
        gpu_type: `T4G16`, `A100G80`, …; `cpu`; "" outside a worker (`python wrapper.py`, `athena check`),
            where nobody has decided and a GPU is used if there is one.
        gpu_id: UUID of the GPU or of the MIG instance; "" without one.
        memory_limit_mb: GPU memory that the worker may use, in MiB; 0 for all of it.
        threads: for one inference on the CPU; 0 for as many as there are cores.
        cpu_allowed: whether the model may run on the CPU instead; false where the ability's `gpu.types` do
            not hold `cpu`.
        model_folder: where copies of large models are that the ability's workers on this host share; "" for
            one that shares none.
    """

    gpu_type: str = ""
    gpu_id: str = ""
    memory_limit_mb: int = 0
    threads: int = 0
    cpu_allowed: bool = True
    model_folder: str = ""

    @property
    def is_gpu(self) -> bool:
        """Whether the worker was given a GPU."""
        return bool(self.gpu_id)


_current = Device()
_is_on_cpu = False


def current() -> Device:
    """Returns what this process runs on."""
    return _current


def assign(device: Device) -> None:
    """Decides what this process runs on; called by the worker before it imports the wrapper."""
    global _current, _is_on_cpu
    _current, _is_on_cpu = device, False


def note_cpu() -> None:
    """Tells that a model runs on the CPU although there may be a GPU.

    A worker that heard of it until its wrapper was loaded serves as one on the CPU, and answers say so.
    """
    global _is_on_cpu
    _is_on_cpu = True


def is_on_cpu() -> bool:
    """Whether a model was noted to run on the CPU."""
    return _is_on_cpu
