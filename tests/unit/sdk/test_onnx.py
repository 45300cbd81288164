"""ONNX models: opened where the worker is, and what is said when they run elsewhere."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from athena.sdk import device, onnx
from athena.sdk.device import Device
from athena.sdk.onnx import opening

pytest.importorskip("onnxruntime")

MODEL = Path(__file__).parents[3] / "examples" / "digits" / "model.onnx"
ON_CPU = Device("cpu", threads=1)
ON_GPU = Device("T4G16", "GPU-1", memory_limit_mb=2000)
CUDA_BUILD = [onnx.CUDA, onnx.CPU]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(opening._Reported, "is_done", False)
    yield
    device.assign(Device())


class FakeRuntime:
    """An onnxruntime that is built for CUDA; no GPU exists where the tests run."""

    def __init__(self, works: bool = True, error: str = "") -> None:
        self.works, self.error = works, error
        self.asked: list[Any] = []
        self.options: list[Any] = []

    def get_available_providers(self) -> list[str]:
        return CUDA_BUILD

    def preload_dlls(self) -> None:
        raise OSError("libcudnn.so.9: cannot open shared object file")

    def SessionOptions(self) -> Any:
        self.options.append(SimpleNamespace(add_session_config_entry=lambda key, value: None))
        return self.options[-1]

    def InferenceSession(self, path: str, options: Any, providers: list[Any], **kwargs: Any) -> Any:
        assert kwargs == {"enable_fallback": 0}
        self.asked.append(providers)
        wants_cuda = providers[0] != onnx.CPU
        if wants_cuda and self.error:
            raise RuntimeError(self.error)
        used = CUDA_BUILD if wants_cuda and self.works else [onnx.CPU]
        return SimpleNamespace(
            get_providers=lambda: used,
            get_inputs=list,
            get_outputs=list,
            get_modelmeta=lambda: SimpleNamespace(custom_metadata_map={}),
        )


def install(monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime, has_driver: bool = True) -> FakeRuntime:
    monkeypatch.setattr(opening, "_runtime", lambda: runtime)
    monkeypatch.setattr(opening, "DRIVER_FILES", (MODEL,) if has_driver else ())
    return runtime


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("given", "available", "has_driver", "first", "obstacle"),
    [
        (ON_GPU, CUDA_BUILD, True, onnx.CUDA, ""),
        (ON_GPU, [onnx.CPU], True, onnx.CPU, "knows no CUDA: pip install 'athena-serving[gpu]'"),
        (ON_CPU, [onnx.CPU], False, onnx.CPU, ""),
        (ON_CPU, CUDA_BUILD, False, onnx.CPU, "has no NVIDIA driver"),
        (ON_CPU, CUDA_BUILD, True, onnx.CPU, "was given no GPU"),
        (Device(), CUDA_BUILD, True, onnx.CUDA, ""),
        (Device(), CUDA_BUILD, False, onnx.CPU, "has no NVIDIA driver"),
        (Device(), [onnx.CPU], True, onnx.CPU, ""),
    ],
)
def test_place_is_chosen(
    given: Device, available: list[str], has_driver: bool, first: str, obstacle: str
) -> None:
    choice = onnx.choose(given, available, has_driver)

    assert choice.providers[0] == first
    assert choice.providers[-1] == onnx.CPU
    assert obstacle in choice.obstacle
    assert bool(obstacle) == bool(choice.obstacle)


def test_model_runs_on_the_gpu_of_the_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = install(monkeypatch, FakeRuntime())
    device.assign(ON_GPU)

    session = onnx.open_session(MODEL, cuda_options={"cudnn_conv_algo_search": "EXHAUSTIVE"})

    ((name, options), cpu) = runtime.asked[0]
    assert (name, cpu) == (onnx.CUDA, onnx.CPU)
    assert options == {
        "device_id": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "arena_extend_strategy": "kSameAsRequested",
        "gpu_mem_limit": str(2000 * 1024 * 1024),
    }
    assert session.runs_on_gpu
    assert not device.is_on_cpu()
    assert warnings(caplog) == []


def test_several_models_share_the_memory_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = install(monkeypatch, FakeRuntime())
    device.assign(ON_GPU)

    onnx.open_session(MODEL, memory_share=0.75)
    onnx.open_session(MODEL, memory_share=0.25)

    limits = [int(providers[0][1]["gpu_mem_limit"]) for providers in runtime.asked]
    assert limits == [1500 * 1024 * 1024, 500 * 1024 * 1024]


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        (FakeRuntime(works=False), "CUDA could not be started"),
        (
            FakeRuntime(error="CUDA failure 100: no device\nmore"),
            "CUDA cannot be used: CUDA failure 100",
        ),
    ],
)
def test_gpu_that_cannot_be_used_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, runtime: FakeRuntime, reason: str
) -> None:
    install(monkeypatch, runtime)
    device.assign(ON_GPU)

    sessions = [onnx.open_session(MODEL) for _ in range(3)]

    assert not any(session.runs_on_gpu for session in sessions)
    (warning,) = warnings(caplog)
    assert warning.startswith(f"models run on the CPU: {reason}")
    assert device.is_on_cpu()


def test_ability_that_demands_a_gpu_is_not_served_without(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeRuntime(works=False))
    device.assign(Device("T4G16", "GPU-1", cpu_allowed=False))

    with pytest.raises(onnx.OnnxError, match=r"on the CPU, which gpu\.types .* does not allow: CUDA"):
        onnx.open_session(MODEL)


def test_build_for_cuda_serves_on_the_cpu_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = install(monkeypatch, FakeRuntime(), has_driver=False)
    device.assign(ON_CPU)

    onnx.open_session(MODEL)
    onnx.open_session(MODEL)

    assert runtime.asked == [[onnx.CPU], [onnx.CPU]]
    assert len(warnings(caplog)) == 1


def test_threads_are_those_asked_for_or_those_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = install(monkeypatch, FakeRuntime())
    device.assign(Device("cpu", threads=3))

    onnx.open_session(MODEL)
    onnx.open_session(MODEL, threads=0, keeps_memory=True)

    assert [options.intra_op_num_threads for options in runtime.options] == [3, 0]
    assert [options.enable_cpu_mem_arena for options in runtime.options] == [False, True]


# with onnxruntime itself


def test_model_is_run(caplog: pytest.LogCaptureFixture) -> None:
    device.assign(ON_CPU)
    session = onnx.open_session(MODEL, warm_up=[{"pictures": (1, 64)}, {"pictures": (16, 64)}])

    (scores,) = session.run({"pictures": np.zeros((3, 64), np.float32)}, ["scores"])

    assert scores.shape == (3, 10)
    assert session.inputs == {"pictures": ("N", 64)}
    assert (session.outputs, session.providers) == (("scores",), (onnx.CPU,))
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"picture": (1, 64)}, r"names picture; its inputs are pictures tensor\(float\) \['N', 64\]"),
        ({"pictures": (1, 63)}, r"with pictures \[1, 63\] failed: "),
    ],
)
def test_warm_up_that_does_not_fit_is_refused(shapes: dict[str, tuple[int, ...]], expected: str) -> None:
    with pytest.raises(onnx.OnnxError, match=expected):
        onnx.open_session(MODEL, warm_up=[shapes])


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")

    with pytest.raises(onnx.ModelFileError, match=r"none\.onnx is missing"):
        onnx.open_session(tmp_path / "none.onnx")
    with pytest.raises(onnx.ModelFileError, match=r"damaged\.onnx cannot be loaded \("):
        onnx.open_session(damaged)


class NotingSession:
    """A session of onnxruntime that notes the threads that run it."""

    def __init__(self, provider: str, run: Callable[[], None]) -> None:
        self.threads: list[int] = []
        self._provider = provider
        self._run = run

    def run(self, outputs: Any, inputs: Any) -> list[Any]:
        self.threads.append(threading.get_ident())
        self._run()
        return []

    def get_providers(self) -> list[str]:
        return [self._provider]

    def get_modelmeta(self) -> Any:
        return SimpleNamespace(custom_metadata_map={})

    get_inputs = get_outputs = list


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait(60)


def run_in_threads(session: onnx.OnnxSession, count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: session.run({}), range(count)))


def test_one_thread_runs_a_model_on_a_gpu_whoever_calls() -> None:
    inside = threading.Semaphore()

    def run() -> None:
        assert inside.acquire(blocking=False)
        time.sleep(0.005)
        inside.release()

    noting = NotingSession(onnx.CUDA, run)
    session = onnx.OnnxSession(noting, MODEL)

    session.run({})
    session.run({})
    run_in_threads(session, 4)
    session.run({})

    ours, dedicated = noting.threads[:2], noting.threads[2:]
    assert set(ours) == {threading.get_ident()}
    assert len(dedicated) == 5
    assert len(set(dedicated)) == 1
    assert not set(ours) & set(dedicated)


def test_threads_run_a_model_on_the_cpu_side_by_side() -> None:
    together = threading.Barrier(3)
    noting = NotingSession(onnx.CPU, lambda: _meet(together))

    run_in_threads(onnx.OnnxSession(noting, MODEL), 3)

    assert len(set(noting.threads)) == 3
