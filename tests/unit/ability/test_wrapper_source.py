"""What can be said of a wrapper before it runs."""

from pathlib import Path

import pytest

from athena.ability.manifest import load_ability
from athena.ability.wrapper_source import WrapperSource, read_wrapper_source


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("class Wrapper:\n    serviceId = 'ocr'\n    version = 'backup.0'", WrapperSource("ocr", "backup.0")),
        ("class Wrapper(Base):\n    serviceId: str = 'ocr'", WrapperSource("ocr", "")),
        ("class Wrapper:\n    a = serviceId = 'ocr'", WrapperSource("ocr", "")),
        ("class Wrapper:\n    serviceId = 'old'\n    serviceId = 'new'", WrapperSource("new", "")),
        ("class Wrapper:\n    serviceId = make_name()", WrapperSource()),
        ("class Wrapper:\n    serviceId = 3", WrapperSource()),
        ("class Wrapper:\n    serviceId: str", WrapperSource()),
        ("class Other:\n    serviceId = 'ocr'", WrapperSource()),
        ("serviceId = 'ocr'", WrapperSource()),
        ("def broken(:", WrapperSource()),
        ("\0", WrapperSource()),
        pytest.param("x = " + "+".join(["1"] * 100_000), WrapperSource(), id="too deep"),
    ],
)
def test_class_constants_are_read_without_running_the_file(
    tmp_path: Path, code: str, found: WrapperSource
) -> None:
    file = tmp_path / "wrapper.py"
    file.write_text(code)

    assert read_wrapper_source(file) == found


@pytest.mark.parametrize(
    ("own", "toml", "service_id", "version"),
    [
        ("serviceId = 'ocr'; version = 'v7'", "", "ocr", "v7"),
        ("serviceId = 'ocr'; version = 'v7'", "service_id = 'other'\nversion = 'v8'", "other", "v8"),
        ("pass", "", "folder", "v1"),
        ("serviceId = 'no/name'; version = 'a b'", "", "folder", "v1"),
    ],
)
def test_ability_is_named_by_its_toml_its_class_or_its_folder(
    tmp_path: Path, own: str, toml: str, service_id: str, version: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "wrapper.py").write_text(f"class Wrapper:\n    {own}\n")
    (folder / "ability.toml").write_text(toml)

    ability = load_ability(folder)

    assert (ability.service_id, ability.version) == (service_id, version)
