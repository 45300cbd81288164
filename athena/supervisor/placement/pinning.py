"""What keeps a worker process to its GPU, or to its share of the cores."""

from collections.abc import Mapping

from athena.devices.threads import thread_variables
from athena.supervisor.placement.plan import Placement


def device_environment(placement: Placement, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that pin a process to its GPU, or divide the cores among those on the CPU.

    Args:
        placement: where the process runs.
        environ: of the supervisor; numbers of threads that an operator has set there stay.
    """
    # Also on the CPU, where it is empty: unset, or as our supervisor has it, it would show GPUs.
    variables = {"CUDA_VISIBLE_DEVICES": placement.gpu_id, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**variables, **thread_variables(placement.threads, environ)}
