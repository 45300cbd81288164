"""ONNX sessions that packages open by themselves, in a process as a worker has it."""

import json
from pathlib import Path
from typing import Any

import pytest

from athena import cli
from athena.devices.host import core_count
from tests.integration.test_check_batches import dynamic_model

pytest.importorskip("onnxruntime")

#: A package beside the wrapper, which knows nothing of Athena.
PACKAGE = """
import os
import onnxruntime
from onnxruntime import InferenceSession

PLACE = os.path.join(os.path.dirname(__file__), "layer.onnx")

def plain():
    return InferenceSession(PLACE)

def asking():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    return InferenceSession(PLACE, sess_options=options, providers=["CPUExecutionProvider"])

def from_memory():
    class Session(InferenceSession):
        pass
    return Session(open(PLACE, "rb").read(), providers=["CPUExecutionProvider"])
"""

WRAPPER = """
import os
import layers
from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase, onnx

class Asked:
    name = StringBodyField(key="name", value=b"OMP_NUM_THREADS")

class Answered:
    value = StringBodyField(key="value")

class Wrapper(WrapperBase):
    requestCls, responseCls = Asked(), Answered()

    def wrapperInit(self, config):
        self.sessions = [layers.plain(), layers.asking(), layers.from_memory()]
        self.sessions.append(onnx.open_session(layers.PLACE, threads=0))
        return 0

    def wrapperOnceExec(self, params, reqData):
        response = Response()
        response.list = [ResponseData("value", os.environ.get(reqData.get("name").data.decode(), ""))]
        return response

    def wrapperBatchExec(self, params_list, req_list):
        return [self.wrapperOnceExec({}, inputs) for inputs in req_list]
"""

SHARE = core_count()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    package = tmp_path / "layers"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    dynamic_model(package / "layer.onnx")
    return tmp_path


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert cli.main(["check", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def shares(report: Any) -> list[tuple[str, int, bool]]:
    """Returns each session's model, threads, and whether they spin."""
    return [(Path(item["path"]).name, item["threads"], item["spins"]) for item in report["sessions"]]


def test_sessions_have_the_share_of_their_worker_unless_they_ask_otherwise(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check(folder, capsys)

    assert shares(report) == [
        ("layer.onnx", SHARE, False),
        ("layer.onnx", 3, True),
        ("", SHARE, False),
        # Of `open_session`, which was told to take all cores.
        ("layer.onnx", 0, False),
    ]
    assert report["threads"] == SHARE
    assert report["sessions"][0]["session"].startswith("layer.onnx: ")


def test_a_setting_leaves_sessions_as_their_packages_open_them(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATHENA_SHARE_SESSIONS", "off")

    assert shares(check(folder, capsys))[0] == ("layer.onnx", 0, True)


def test_workers_of_one_ability_divide_the_cores_in_check_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ability.toml").write_text(f"[worker]\ncpu_workers = {SHARE}\n")

    assert cli.main(["check", str(folder)]) == 0

    text = capsys.readouterr().out
    assert "layer.onnx: 1 thread, CPU" in text
    assert "threads       1, as a worker alone on this host has" in text


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "RAYON_NUM_THREADS"])
def test_other_libraries_hear_of_the_share(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    assert cli.main(["run", str(folder), "--input", f"name={name}"]) == 0
    assert capsys.readouterr().out == f"value (text): {SHARE}\n"

    monkeypatch.setenv(name, "7")
    assert cli.main(["run", str(folder), "--input", f"name={name}"]) == 0
    assert capsys.readouterr().out == "value (text): 7\n"


def test_a_model_of_a_package_that_is_quantised_dynamically_is_noted(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "site"
    (elsewhere / "ability").mkdir(parents=True)
    (folder / "layers").rename(elsewhere / "layers")
    (folder / "wrapper.py").rename(elsewhere / "ability" / "wrapper.py")
    (elsewhere / "ability" / "ability.toml").write_text("[worker]\nmax_batch = 2\n")
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))

    findings = {item["rule"]: item for item in check(elsewhere / "ability", capsys)["findings"]}

    assert findings["batch-quantised"]["file"] == str(elsewhere / "layers" / "layer.onnx")
