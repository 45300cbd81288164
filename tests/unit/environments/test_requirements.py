"""What is known of a requirements.txt before pip reads it."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from athena.environments.requirements import Requirements, read_requirements
from athena.errors import ConfigError


def read(folder: Path, text: str, **others: str) -> Requirements:
    (folder / "requirements.txt").write_text(text)
    for name, other in others.items():
        (folder / f"{name}.txt").write_text(other)
    return read_requirements(folder)


def lookup(name: str) -> tuple[str, list[str]]:
    """Finds numpy 2.4.1 and nothing else."""
    if name != "numpy":
        raise PackageNotFoundError(name)
    return "2.4.1", []


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("", True),
        ("# nothing\n\n", True),
        ("numpy\n", True),
        ("numpy >= 2, < 3  # for arrays\n", True),
        ("numpy>=2.4 \\\n    ,<3\n", True),
        ("numpy==2.3.*\n", False),
        ("numpy\nscipy\n", False),
        ('scipy; sys_platform == "plan9"\nnumpy\n', True),
        ("numpy[all]\n", False),
        ("numpy @ file:///tmp/numpy.whl\n", False),
        ("./numpy.whl\n", False),
        ("--index-url https://pypi.example/simple\nnumpy\n", False),
        ("numpy==2.4.1 --hash=sha256:00\n", False),
        ("-r more.txt\n", False),
        ("-c more.txt\nnumpy\n", False),
    ],
)
def test_what_is_installed_already_is_told_from_what_is_not(tmp_path: Path, text: str, is_met: bool) -> None:
    assert read(tmp_path, text, more="scipy\n").are_met(lookup) is is_met


@pytest.mark.parametrize("line", ["-r more.txt", "--requirement=more.txt", "-c more.txt", "-rmore.txt"])
def test_files_that_it_names_belong_to_it(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, f"{line}\nnumpy\n", more="-r requirements.txt\nscipy\n")

    assert [path.name for path, _ in found.files] == ["requirements.txt", "more.txt"]
    assert {item.name for item in found.packages} == {"numpy", "scipy"}


def test_athena_is_not_fetched_from_an_index(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names athena-serving; delete the line"):
        read(tmp_path, "athena_serving[cpu]==0.2\n")


def test_text_that_is_not_utf_8_is_refused_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match=r"requirements.txt cannot be read: .*; save it as UTF-8"):
        read_requirements(tmp_path)
