"""What sessions that packages open are given on a GPU, by a runtime that only notes it."""

from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from athena.sdk import device, onnx
from athena.sdk.device import Device
from workers.runtime.sessions.share import SPINNING, SessionShare

GPU = Device("T4G16", "GPU-1", memory_limit_mb=2000, threads=4)
LIMITED = {**onnx.CUDA_OPTIONS, "device_id": "0", "gpu_mem_limit": str(2000 * 1024 * 1024)}


class Options:
    """Session options as ONNX Runtime's are."""

    def __init__(self, has_providers: bool = False) -> None:
        self.intra_op_num_threads = self.inter_op_num_threads = 0
        self._entries: dict[str, str] = {}
        self._has_providers = has_providers

    def has_providers(self) -> bool:
        return self._has_providers

    def add_session_config_entry(self, name: str, value: str) -> None:
        self._entries[name] = value

    def get_session_config_entry(self, name: str) -> str:
        if name not in self._entries:
            raise RuntimeError("SessionOptions does not have configuration with key")
        return self._entries[name]


class Session:
    """Notes what it is opened with."""

    def __init__(
        self, path: Any, sess_options: Any = None, providers: Any = None, provider_options: Any = None
    ) -> None:
        self.options, self.asked, self.asked_options = sess_options, providers, provider_options

    def get_providers(self) -> list[str]:
        return [item if isinstance(item, str) else item[0] for item in self.asked or [onnx.CPU]]


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Session]]:
    """Returns a class whose sessions have a share, in a worker on a GPU."""
    monkeypatch.setattr(onnx, "available_providers", lambda: [onnx.CUDA, onnx.CPU])
    monkeypatch.setattr(onnx, "load_cuda_libraries", lambda: None)
    module: Any = ModuleType("collection")
    module.InferenceSession = type("Session", (Session,), {})
    module.C = SimpleNamespace(SessionOptions=Options)
    SessionShare().adopt(module)
    device.assign(GPU)
    yield module.InferenceSession
    device.assign(Device())


def test_session_without_wishes_runs_on_the_gpu_within_its_memory(opening: type[Session]) -> None:
    session = opening("model.onnx")

    assert session.asked == [(onnx.CUDA, LIMITED), onnx.CPU]
    assert session.options.intra_op_num_threads == 4
    assert session.options.get_session_config_entry(SPINNING) == "0"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ([onnx.CPU], [onnx.CPU]),
        ([onnx.CUDA, onnx.CPU], [(onnx.CUDA, {"gpu_mem_limit": LIMITED["gpu_mem_limit"]}), onnx.CPU]),
        ([(onnx.CUDA, {"gpu_mem_limit": "5"})], [(onnx.CUDA, {"gpu_mem_limit": "5"})]),
    ],
)
def test_session_that_names_its_providers_keeps_them(
    opening: type[Session], asked: list[Any], given: list[Any]
) -> None:
    assert opening("model.onnx", providers=asked).asked == given


def test_what_is_said_in_other_ways_stays(opening: type[Session]) -> None:
    assert opening("model.onnx", Options(has_providers=True)).asked is None
    elsewhere = opening("model.onnx", None, [onnx.CUDA], [{"device_id": "0"}])
    assert (elsewhere.asked, elsewhere.asked_options) == ([onnx.CUDA], [{"device_id": "0"}])


def test_worker_without_gpu_changes_no_provider(opening: type[Session]) -> None:
    device.assign(Device("cpu", threads=2))

    session = opening("model.onnx")

    assert (session.asked, session.options.intra_op_num_threads) == (None, 2)
