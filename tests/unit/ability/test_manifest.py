"""Reading an ability's folder: what is refused, and that the message names file and key."""

from pathlib import Path

import pytest

from athena.ability.manifest import load_ability
from athena.errors import ConfigError
from athena.protocol.paths import RESERVED_SERVICE_IDS

ECHO = Path(__file__).parents[3] / "abilities" / "echo"


def folder(tmp_path: Path, toml: str | None = None) -> Path:
    path = tmp_path / "speech"
    path.mkdir()
    (path / "wrapper.py").write_text("raise RuntimeError('must not be imported')")
    if toml is not None:
        (path / "ability.toml").write_text(toml)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load_ability(path)
    return error.value.message


def test_folder_with_a_wrapper_alone_is_an_ability(tmp_path: Path) -> None:
    ability = load_ability(folder(tmp_path))

    assert (ability.service_id, ability.version) == ("speech", "v1")
    assert ability.gpu.types == ("cpu",)
    assert ability.wrapper_path == tmp_path / "speech" / "wrapper.py"


def test_all_tables_are_read(tmp_path: Path) -> None:
    ability = load_ability(
        folder(
            tmp_path,
            """
            service_id = "asr"
            version = "2.1"
            description = "hears"
            [gpu]
            types = ["T4G16", "cpu"]
            fallback = false
            [worker]
            slots = 8
            max_batch = 4
            max_wait_ms = 2.5
            [limits]
            max_exec_s = 1.5
            max_queue_s = 3
            [config]
            path = "m.onnx"
            threads = 2
            fast = true
            """,
        )
    )

    assert (ability.service_id, ability.version, ability.description) == ("asr", "2.1", "hears")
    assert (ability.gpu.types, ability.gpu.fallback) == (("T4G16", "cpu"), False)
    assert (ability.worker.slots, ability.worker.max_batch, ability.worker.max_wait_ms) == (
        8,
        4,
        2.5,
    )
    assert (ability.limits.max_exec_s, ability.limits.max_queue_s) == (1.5, 3)
    assert ability.config == {"path": "m.onnx", "threads": "2", "fast": "true"}


def test_echo_is_an_ability() -> None:
    assert load_ability(ECHO).service_id == "echo"


def test_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no") == (
        f"{tmp_path}/no is not a folder; name the folder that holds wrapper.py"
    )
    assert "is not a folder" in refusal(ECHO / "wrapper.py")


def test_folder_without_a_wrapper_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} holds no wrapper.py; an ability is a folder with one"


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("colour = 1", "unknown key 'colour'; known are beside, config, description, "),
        ("[worker]\nslot = 1", "unknown key worker.slot; known are batch_tolerance, canary_s, "),
        ("[limits]\nmax_body = 1", "unknown key limits.max_body; known are "),
        ("worker = 3", "worker must be a table [worker]"),
        ("[worker]\nslots = 'many'", "worker.slots must be a whole number from 0 to 1e+12, got 'many'"),
        ("[worker]\nslots = 2.5", "worker.slots must be a whole number"),
        ("[worker]\nslots = true", "worker.slots must be a whole number"),
        ("[worker]\nslots = -4", "worker.slots must be a whole number from 0 to 1e+12, got -4"),
        ("[worker]\nslots = 0", "worker.slots must be above 0, got 0"),
        ("[limits]\nwait_s = inf", "limits.wait_s must be a number"),
        ("[worker]\nmax_wait_ms = nan", "worker.max_wait_ms must be a number"),
        (
            "[worker]\nslots = 7\nmax_batch = 4",
            "worker.slots must be at least twice worker.max_batch (8), got 7",
        ),
        ("[worker]\nmax_batch = 2\nconcurrency = 2", "worker.concurrency and worker.max_batch exclude"),
        ("[gpu]\ntypes = 'cpu'", "gpu.types must be a list of texts, got 'cpu'"),
        ("[gpu]\ntypes = []", "gpu.types must be a list of texts, got []"),
        ("[gpu]\ntypes = [1]", "gpu.types must be a list of texts, got [1]"),
        ("[gpu]\nfallback = 1", "gpu.fallback must be true or false, got 1"),
        ("[gpu]\nmemory_mb = 8000.5", "gpu.memory_mb must be a whole number from 0 to 1e+12, got 8000.5"),
        ("[gpu]\nworkers_per_gpu = 65", "gpu.workers_per_gpu must be at most 64, got 65"),
        ("[gpu]\ntypes = ['High']", "gpu.types: 'High' is no GPU type"),
        ("[gpu]\ntypes = ['CPU']", "gpu.types: 'CPU' is no GPU type"),
        ("[gpu]\ntypes = ['GPU-1']", "gpu.types: 'GPU-1' is no GPU type"),
        ("[gpu]\nshare = 0.4\nworkers_per_gpu = 3", "gpu.share x gpu.workers_per_gpu must not be above 1"),
        ("[limits]\nmax_queue_s = 0", "limits.max_queue_s must be above 0"),
        ("service_id = 'a b'", "service_id 'a b' must be 1 to 64 letters, digits, '-' or '_'"),
        ("service_id = '-a'", "service_id '-a' must be"),
        ("service_id = 5", "service_id 5 must be"),
        ("service_id = 'Docs'", "service_id 'Docs' is reserved; choose another"),
        ("version = 1", "version 1 must be a short text"),
        ("version = 'a/b'", "version 'a/b' must be a short text"),
        ("service_id = ", "Invalid value (at "),
    ],
)
def test_mistake_is_refused_by_file_and_key(tmp_path: Path, toml: str, expected: str) -> None:
    path = folder(tmp_path, toml)

    message = refusal(path)

    assert message.startswith(f"{path / 'ability.toml'}: {expected}")


@pytest.mark.parametrize("name", sorted(RESERVED_SERVICE_IDS))
def test_names_that_the_gateway_needs_are_refused(tmp_path: Path, name: str) -> None:
    assert "service_id" in refusal(folder(tmp_path, f'service_id = "{name}"'))


def test_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "ability.toml").write_bytes(b"\xff\xfe")

    assert refusal(path).startswith(f"{path / 'ability.toml'}: ")


def test_folder_name_that_is_no_service_id_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my ability"
    path.mkdir()
    (path / "wrapper.py").touch()

    assert "service_id 'my ability' must be" in refusal(path)


@pytest.mark.parametrize(
    ("every_s", "has_example", "expected"),
    [
        ("0.5", True, "worker.canary_s must be 0 or at least 1, got 0.5"),
        ("5", False, "worker.canary_s sends the example at intervals, and"),
    ],
)
def test_canary_without_sense_is_refused(
    tmp_path: Path, every_s: str, has_example: bool, expected: str
) -> None:
    path = folder(tmp_path, f"[worker]\ncanary_s = {every_s}")
    if has_example:
        (path / "example.json").write_text("{}")

    assert refusal(path).startswith(f"{path / 'ability.toml'}: {expected}")


def test_canary_is_read(tmp_path: Path) -> None:
    path = folder(tmp_path, "[worker]\ncanary_s = 2.5")
    (path / "example.json").write_text("{}")

    assert load_ability(path).worker.canary_s == 2.5


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('errors = ["Time out"]', "retry.errors: 'Time out' is neither the name of an exception"),
        ('errors = ["12.5"]', "retry.errors: '12.5' is neither"),
        ("errors = [1234]", "retry.errors must be a list of texts"),
        ("max_runs = 1", "retry.max_runs counts the first run too, so it must be at least 2, got 1"),
        ("backoff_s = 90", "retry.max_backoff_s must not be below retry.backoff_s (90), got 60"),
    ],
)
def test_retry_without_sense_is_refused(tmp_path: Path, table: str, expected: str) -> None:
    path = folder(tmp_path, f"[retry]\n{table}")

    assert refusal(path).startswith(f"{path / 'ability.toml'}: {expected}")


def test_retry_is_read(tmp_path: Path) -> None:
    path = folder(tmp_path, '[retry]\nerrors = ["TimeoutError", "httpx.ConnectError", "-7"]\nbackoff_s = 0.5')

    assert load_ability(path).retry.errors == ("TimeoutError", "httpx.ConnectError", "-7")
    assert load_ability(path).retry.backoff_s == 0.5


def test_version_beside_the_main_one_has_a_name_of_both(tmp_path: Path) -> None:
    ability = load_ability(folder(tmp_path, 'service_id = "asr"\nversion = "v2"\nbeside = true'))

    assert (ability.service_id, ability.main_id, ability.version) == ("asr@v2", "asr", "v2")
    assert load_ability(ECHO).main_id == "echo"


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("beside = true", "cannot be 'v1', which in a URL means the main one; give it another version"),
        (
            'beside = true\nversion = "2.1"',
            "version '2.1' must be 1 to 32 letters, digits, '-' or '_' beside",
        ),
        ("beside = 1", "beside must be true or false, got 1"),
        ('beside = true\nversion = "v2"\nservice_id = "a@v2"', "service_id 'a@v2' must be 1 to 64 letters"),
    ],
)
def test_what_cannot_be_served_beside_is_refused(tmp_path: Path, toml: str, expected: str) -> None:
    assert expected in refusal(folder(tmp_path, toml))
