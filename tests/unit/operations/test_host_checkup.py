"""What of a machine `athena doctor` calls wrong, each with a remedy, and what it does not."""

from dataclasses import replace

import pytest

from athena.operations.checkup.host import (
    CUDA,
    FREE,
    OTHER,
    OURS,
    SILENT,
    DeviceTrial,
    Disk,
    GpuFacts,
    HostFacts,
    Port,
    facts_table,
    host_ailments,
)

CPU = DeviceTrial("CPU", ("CPUExecutionProvider",), True)
ON_GPU = DeviceTrial("GPU 0 (Tesla T4)", (CUDA,), True)
SOUND = HostFacts(
    versions={"Python": "3.12.1", "onnxruntime": "1.32.0", "onnxruntime-gpu": ""},
    onnxruntime="1.32.0",
    providers=("CPUExecutionProvider",),
    cpu_trial=CPU,
    open_files=20000,
    memory_bytes=16 * 2**30,
    free_memory_bytes=8 * 2**30,
    disks=(Disk(".athena", 50 * 2**30, 100 * 2**30),),
    ports=(Port("ATHENA_PORT", 30889, OURS), Port("ATHENA_FLOWER_PORT", 5555, FREE)),
)
WITH_GPU = replace(
    SOUND, providers=(CUDA, "CPUExecutionProvider"), gpus=GpuFacts(driver="550.54", trials=(ON_GPU,))
)


def told(facts: HostFacts) -> list[str]:
    return [f"{item.what} | {item.remedy}" for item in host_ailments(facts)]


def with_trial(**changes: object) -> HostFacts:
    trial = replace(ON_GPU, **changes)  # type: ignore[arg-type]
    return replace(WITH_GPU, gpus=replace(WITH_GPU.gpus, trials=(trial,)))


@pytest.mark.parametrize(
    "facts",
    [
        SOUND,
        WITH_GPU,
        # An ability may use another library.
        replace(WITH_GPU, onnxruntime="", providers=(), gpus=GpuFacts(driver="550.54")),
        replace(SOUND, open_files=-1),
        replace(SOUND, free_memory_bytes=None),
        replace(SOUND, free_memory_bytes=2**30, memory_bytes=2**40),
        with_trial(used=("CPUExecutionProvider", CUDA)),
    ],
)
def test_sound_machine_has_nothing_wrong(facts: HostFacts) -> None:
    assert told(facts) == []


@pytest.mark.parametrize(
    ("facts", "what", "remedy"),
    [
        (replace(SOUND, misfits=("celery needs kombu, which is not installed",)), "kombu", "constraints.txt"),
        (
            replace(SOUND, versions={"onnxruntime": "1", "onnxruntime-gpu": "1"}),
            "both installed",
            "pip uninstall onnxruntime",
        ),
        (
            replace(SOUND, cpu_trial=DeviceTrial("CPU", error="no such symbol")),
            "onnxruntime does not work: no such symbol",
            "install it anew",
        ),
        (replace(SOUND, cpu_trial=replace(CPU, is_right=False)), "with a wrong answer", "install it anew"),
        (
            replace(SOUND, gpus=GpuFacts(problem="the NVIDIA driver does not answer within 60 s")),
            "does not answer within 60 s",
            "dmesg",
        ),
        (
            replace(WITH_GPU, gpus=GpuFacts(driver="1", problems=("GPU 3 (Tesla T4): lost",))),
            "GPU 3 (Tesla T4): lost",
            "repair or reset",
        ),
        (
            replace(WITH_GPU, providers=("CPUExecutionProvider",)),
            "GPU 0 (Tesla T4): this onnxruntime (1.32.0) is built without CUDA",
            "athena-serving[gpu]",
        ),
        (
            with_trial(used=("CPUExecutionProvider",), said="libcudnn.so.9:\n cannot open"),
            "GPU 0 (Tesla T4) does not compute: a small model ran on CPUExecutionProvider "
            "(libcudnn.so.9: cannot open)",
            "onnxruntime-gpu[cuda,cudnn]",
        ),
        (with_trial(used=(), error="out of memory"), "was not answered: out of memory", "CUDA and cuDNN"),
        (with_trial(is_right=False), "with a wrong answer", "CUDA and cuDNN"),
        (replace(SOUND, open_files=1024), "may have 1024 open files", "LimitNOFILE"),
        (
            replace(SOUND, free_memory_bytes=2**28, memory_bytes=2**34),
            "256 MiB of memory left",
            "worker.max_memory_mb",
        ),
        (replace(SOUND, disks=(Disk("d", 2**29, 2**31),)), "the file system of d has 512 MiB left", "--data"),
        (replace(SOUND, disks=(Disk("d", 4 * 2**30, 100 * 2**30),)), "has 4096 MiB left", "ATHENA_LOG_DIR"),
        (
            replace(SOUND, ports=(Port("ATHENA_PORT", 80, OTHER),)),
            "port 80 (ATHENA_PORT) belongs to another program",
            "another port: ATHENA_PORT",
        ),
        (
            replace(SOUND, ports=(Port("ATHENA_PORT", 80, SILENT),)),
            "who listens on port 80 (ATHENA_PORT) does not answer",
            "its supervisor starts another one",
        ),
        (
            replace(SOUND, unknown_variables=(("ATHENA_PROT", "ATHENA_PORT"),)),
            "ATHENA_PROT is no setting",
            "did you mean ATHENA_PORT?",
        ),
        (replace(SOUND, unknown_variables=(("ATHENA_X", ""),)), "ATHENA_X is no setting", "docs/settings.md"),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(facts: HostFacts, what: str, remedy: str) -> None:
    [line] = told(facts)

    assert what in line.partition(" | ")[0]
    assert remedy in line.partition(" | ")[2]


def test_each_gpu_that_does_not_compute_is_told() -> None:
    trials = (
        ON_GPU,
        replace(ON_GPU, device="GPU 1 (T4)", used=()),
        replace(ON_GPU, device="GPU 2 (T4)", used=()),
    )

    assert [
        line.split(" does")[0] for line in told(replace(WITH_GPU, gpus=GpuFacts(driver="1", trials=trials)))
    ] == [
        "GPU 1 (T4)",
        "GPU 2 (T4)",
    ]


def test_facts_say_what_was_looked_at() -> None:
    facts = dict(facts_table(WITH_GPU))

    assert facts["GPU driver"] == "550.54"
    assert facts["small model on GPU 0 (Tesla T4)"] == f"ran on {CUDA}"
    assert facts["onnxruntime-gpu"] == "not installed"
    assert facts["port 30889 (ATHENA_PORT)"] == "Athena"
    assert dict(facts_table(SOUND))["GPU driver"] == "no GPU"
    assert dict(facts_table(SOUND))["memory"] == "8192 of 16384 MiB free"
