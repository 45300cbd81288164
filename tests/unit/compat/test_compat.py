"""The import paths of the original SDK lead to the same objects as `athena.sdk`."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import athena.sdk
from athena.compat import NAMES, CompatFinder, install_finder
from athena.sdk import data, errors, log, pool, results, stream, types

DATA = ["DataListCls", "DataListNode", "Response", "ResponseData", "SessionCreateResponse"]
FIELDS = ["StringParamField", "NumberParamField", "IntegerParamField", "BooleanParamField"]
FIELDS += ["ImageBodyField", "StringBodyField", "AudioBodyField", "JsonBodyField"]
NUMBERS = ["STRING", "AUDIO", "IMAGE", "VIDEO", "DataText", "DataAudio", "DataImage", "DataVideo", "DataPer"]
NUMBERS += ["Types", "DataBegin", "DataContinue", "DataEnd", "DataOnce", "Status", "Once"]
NUMBERS += ["THREAD_MODE", "PROCESS_MODE"]
CODES = ["OK", "INIT_ERROR", "USER_INIT_ERROR", "USER_EXEC_ERROR"]

SURFACE = [
    ("aiges_embed", data, DATA),
    ("aiges_embed", results, ["callback", "callback_metric", "callback_trace"]),
    ("aiges.dto", data, DATA),
    ("aiges.dto", results, ["callback", "init_rq"]),
    ("aiges.dto", types, NUMBERS),
    ("aiges.sdk", athena.sdk, ["WrapperBase", "SessionManager", *FIELDS]),
    ("aiges.core.types", types, NUMBERS),
    ("aiges.types", types, NUMBERS),
    ("aiges.utils.log", log, ["log", "getLogger", "getFileLogger", "logpath"]),
    ("aiges.stream", stream, ["SessionManager", "StreamHandleThread", "Pool", "ThreadPool", "WorkerThread"]),
    ("aiges.callback", results, ["callback", "set_up"]),
    ("aiges.worker", pool, ["Worker", "InferClass"]),
    ("aiges.concurrent.fixpool", pool, ["FixedPool"]),
    ("aiges.errors", errors, CODES),
]


@pytest.fixture(autouse=True)
def finder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undoes what installing the finder changes in this process."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    _forget()
    yield
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in NAMES]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("path", "home", "name"), [(path, home, name) for path, home, names in SURFACE for name in names]
)
def test_name_is_the_same_object_as_ours(path: str, home: object, name: str) -> None:
    install_finder()

    module = importlib.import_module(path)

    assert getattr(module, name) is getattr(home, name)
    assert name in module.__all__


def test_finder_is_installed_once() -> None:
    before = [finder for finder in sys.meta_path if isinstance(finder, CompatFinder)]

    install_finder()
    install_finder()

    assert len([finder for finder in sys.meta_path if isinstance(finder, CompatFinder)]) == max(
        1, len(before)
    )


def test_foreign_package_that_was_imported_before_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "aiges").mkdir()
    (tmp_path / "aiges" / "__init__.py").write_text("")
    (tmp_path / "aiges" / "sdk.py").write_text("WrapperBase = 'theirs'")
    sys.meta_path[:] = [item for item in sys.meta_path if not isinstance(item, CompatFinder)]
    sys.path.insert(0, str(tmp_path))
    theirs = importlib.import_module("aiges.sdk").WrapperBase

    install_finder()

    assert theirs == "theirs"
    assert importlib.import_module("aiges.sdk").WrapperBase is athena.sdk.WrapperBase
    assert "is not used: wrappers run with ours" in caplog.text


def test_other_modules_are_not_ours_to_find() -> None:
    assert CompatFinder().find_spec("json", None) is None
    assert CompatFinder().find_spec("aiges_other", None) is None


def test_the_logger_of_the_first_generation_takes_the_keywords_of_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install_finder()
    for name in ("flags", "iflags"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    flags = importlib.import_module("iflags").flags

    with caplog.at_level("INFO", "wrapper"):
        flags.logger.info("loaded %s", "model", flush=True)

    assert "loaded model" in caplog.text
    assert flags.logger.name == "wrapper"


def test_a_wrappers_own_module_flags_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_finder()
    monkeypatch.delitem(sys.modules, "flags", raising=False)
    (tmp_path / "flags.py").write_text("mine = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert importlib.import_module("flags").mine
    monkeypatch.delitem(sys.modules, "flags")
