from pathlib import Path

import pytest

from athena.devices.memory import memory_bytes, own_memory_bytes, spare_memory_bytes

MIB = 1024 * 1024
MEMINFO = "MemTotal:        2097152 kB\nMemFree:          100 kB\n"


@pytest.mark.parametrize(
    ("files", "mib"),
    [
        ({}, 0),
        ({"proc/meminfo": MEMINFO}, 2048),
        ({"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/a/b\n"}, 2048),
        # Version 2: a container, a service, a service in a slice that has less, no limit.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{512 * MIB}\n"}, 512),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": f"{300 * MIB}\n"}, 300),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": f"{300 * MIB}\n",
                "sys/fs/cgroup/a/memory.max": f"{200 * MIB}\n",
            },
            200,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "0::/a\n",
                "sys/fs/cgroup/a/memory.max": "max\n",
            },
            2048,
        ),
        # Version 1: the host's path of a container that sees its own group at the root; no limit.
        (
            {
                "proc/self/cgroup": "5:cpu:/\n4:memory:/docker/abc\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{256 * MIB}\n",
            },
            256,
        ),
        (
            {
                "proc/meminfo": MEMINFO,
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            2048,
        ),
    ],
)
def test_the_least_limit_counts(files: dict[str, str], mib: int, tmp_path: Path) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert memory_bytes(tmp_path) == mib * MIB


def test_this_machine_has_memory() -> None:
    assert memory_bytes() > 100 * MIB


@pytest.mark.parametrize(
    ("files", "mib"),
    [
        ({}, None),
        ({"proc/meminfo": "MemAvailable: 1024000 kB\n"}, 1000),
        # A container that has used up most of what it may; old pages of files count as free.
        (
            {
                "proc/meminfo": "MemAvailable: 1024000 kB\n",
                "proc/self/cgroup": "0::/a\n",
                "sys/fs/cgroup/a/memory.max": f"{500 * MIB}\n",
                "sys/fs/cgroup/a/memory.current": f"{450 * MIB}\n",
                "sys/fs/cgroup/a/memory.stat": f"anon 1\ninactive_file {30 * MIB}\n",
            },
            80,
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 1024000 kB\n",
                "proc/self/cgroup": "4:memory:/a\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{500 * MIB}\n",
                "sys/fs/cgroup/memory/a/memory.usage_in_bytes": f"{510 * MIB}\n",
            },
            0,
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 1024000 kB\n",
                "proc/self/cgroup": "0::/a\n",
                "sys/fs/cgroup/a/memory.max": "max\n",
                "sys/fs/cgroup/a/memory.current": f"{450 * MIB}\n",
            },
            1000,
        ),
    ],
)
def test_what_is_left_is_the_least_of_machine_and_groups(
    tmp_path: Path, files: dict[str, str], mib: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert spare_memory_bytes(tmp_path) == (None if mib is None else mib * MIB)


def test_pages_of_files_are_not_a_process_s_own(tmp_path: Path) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    status = "VmRSS:\t 500 kB\nRssAnon:\t 100 kB\nRssFile:\t 300 kB\nRssShmem:\t 20 kB\n"
    (tmp_path / "proc" / "7" / "status").write_text(status)

    assert own_memory_bytes(7, tmp_path) == 120 * 1024
    assert own_memory_bytes(8, tmp_path) == 0
