"""Whether one more process of an ability fits beside the one that is to be replaced; pure."""

#: A process takes more while it loads than it holds when it serves.
WHILE_LOADING = 1.5

#: Less than this is always left for others.
RESERVE_BYTES = 64 * 2**20


def host_obstacle(held_bytes: int, awaited_bytes: int, available_bytes: int | None) -> str:
    """Returns why the host's memory is too small for one more process; "" if it is not.

    Args:
        held_bytes: what the process holds that is to be replaced.
        awaited_bytes: what others hold whose successors load just now.
        available_bytes: what is left; None if unknown.
    """
    needed = int((held_bytes + awaited_bytes) * WHILE_LOADING) + RESERVE_BYTES
    if available_bytes is None or needed <= available_bytes:
        return ""
    return f"{available_bytes >> 20} MiB of memory are left, and loading may take {needed >> 20}"


def gpu_obstacle(memory_mb: int, awaited_mb: int, free_mib: int) -> str:
    """Returns why the memory of a GPU is too small for one more process; "" if it is not.

    Args:
        memory_mb: what a worker may take there, by `gpu.memory_mb`; 0 if that is not known.
        awaited_mb: what successors may take that load there just now.
        free_mib: what is free there.
    """
    if not memory_mb:
        return "its ability.toml does not say how much of a GPU's memory it needs (gpu.memory_mb)"
    if memory_mb + awaited_mb > free_mib:
        return f"{free_mib} MiB of its GPU are free, and {memory_mb + awaited_mb} are needed"
    return ""
