"""Parts of `athena bundle`; `make deploy-check` makes a whole one and installs it without a network."""

import configparser
import hashlib
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from athena.ability.manifest import load_ability
from athena.cli.ship import bundle
from athena.cli.ship.interpreter import copy_interpreter, name
from athena.cli.ship.programs import glibc_minor, libraries_of
from athena.cli.ship.wheels import EXTRAS, extras, fetch_own_wheels, fetch_wheels, installed
from athena.errors import ConfigError
from tests.wheels import write_wheel

ROOT = Path(__file__).parents[3]
INSTALLER = ROOT / "deploy" / "bundle" / "install.sh"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this Python, moved once it was made."""
    made = tmp_path_factory.mktemp("made") / "python"
    copy_interpreter(made)
    return made.rename(tmp_path_factory.mktemp("moved") / "python")


def test_python_runs_wherever_it_is_put(python: Path) -> None:
    code = "import bz2, ctypes, lzma, sqlite3, ssl, sys, zlib; print(sys.prefix)"
    command = [str(python / "bin" / name()), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, check=True)

    assert done.stdout.strip() == str(python)


def test_python_needs_nothing_of_the_system_but_the_c_library(python: Path) -> None:
    modules = [next(python.rglob(f"{module}.*.so")) for module in ("_ssl", "_sqlite3", "_ctypes", "_lzma")]
    for path in (python / "bin" / name(), *modules):
        for library, place in libraries_of(path).items():
            assert place.resolve().is_relative_to(python), f"{path} takes {library} from {place}"


def test_python_makes_an_environment(python: Path, tmp_path: Path) -> None:
    command = [str(python / "bin" / "python3"), "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(command, timeout=60, env={}, check=True)

    assert (tmp_path / "venv" / "bin" / "python").exists()


def test_the_c_library_that_a_program_needs_is_known(python: Path) -> None:
    assert 14 <= glibc_minor(python / "bin" / name()) < 100
    assert glibc_minor(INSTALLER) == 0


def test_what_is_installed_here_is_what_is_fetched() -> None:
    found = installed()

    assert any(line.startswith("celery==5.7.") for line in found)
    assert not any(line.startswith(("athena-serving==", "pip==")) for line in found)
    assert "embedded" in extras()


def test_each_extra_that_a_server_may_use_goes_along_where_it_is_installed() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = settings["options.extras_require"]
    # What makes bundles, and what makes Athena.
    usable = set(asked) - {"bundle", "dev"}

    assert set(EXTRAS.values()) == usable
    for package, extra in EXTRAS.items():
        assert re.search(rf"^{package}\b", asked[extra], re.MULTILINE), f"{extra} does not ask for {package}"
    # An environment of developers has all but CUDA's.
    assert set(extras()) >= usable - {"cpu", "gpu"}


def test_a_wheel_that_is_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "wheels").mkdir()

    with pytest.raises(ConfigError, match="No matching distribution found for"):
        fetch_wheels(tmp_path / "wheels", [], tmp_path / "source")


def test_wheels_of_an_ability_are_its_own_whatever_is_installed_here(tmp_path: Path) -> None:
    write_wheel(tmp_path / "source", "orjson", "0.1")
    write_wheel(tmp_path / "source", "toy", "1.0", ["orjson"])
    write_wheel(tmp_path / "source", "toy", "2.0")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "requirements.txt").write_text("toy==2.0\n")

    fetch_own_wheels(tmp_path / "one", tmp_path / "source")

    assert [path.name for path in (tmp_path / "one" / "wheels").iterdir()] == ["toy-2.0-py3-none-any.whl"]
    # Athena works with none that is so old.
    (tmp_path / "one" / "requirements.txt").write_text("toy==1.0\n")
    with pytest.raises(ConfigError, match="orjson"):
        fetch_own_wheels(tmp_path / "one", tmp_path / "source")


def test_packages_of_an_environment_are_asked_for_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[Path] = []
    # All of Athena's own wheels would have to come from an index.
    monkeypatch.setattr(bundle, "fetch_wheels", lambda folder, paths, source: shared.extend(paths))
    write_wheel(tmp_path / "source", "toy", "2.0")
    for service_id, options in (("own", "[worker]\nrequirements = true\n"), ("common", ""), ("bare", "")):
        folder = tmp_path / "abilities" / service_id
        folder.mkdir(parents=True)
        (folder / "wrapper.py").touch()
        (folder / "ability.toml").write_text(options)
        if service_id != "bare":
            (folder / "requirements.txt").write_text("toy\n")
    abilities = [load_ability(path) for path in (tmp_path / "abilities").iterdir()]

    bundle.fetch_packages(tmp_path, abilities, tmp_path / "source")

    assert shared == [tmp_path / "abilities" / "common" / "requirements.txt"]
    wheels = {
        path.relative_to(tmp_path / "abilities").as_posix() for path in tmp_path.rglob("abilities/**/*.whl")
    }
    assert wheels == {"own/wheels/toy-2.0-py3-none-any.whl"}


class Installer:
    """A bundle with nothing in it but its installer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy2(INSTALLER, folder)
        self.facts = {
            "VERSION": "1.0.0",
            "MACHINE": platform.machine(),
            "GLIBC_MINOR": "17",
            "NEEDED_MB": "1",
            "EXTRAS": "cpu",
        }

    def run(self, *arguments: str, **facts: str) -> subprocess.CompletedProcess[str]:
        lines = "".join(f"{name}={value}\n" for name, value in (self.facts | facts).items())
        (self.folder / "facts").write_text(lines)
        digest = hashlib.sha256(INSTALLER.read_bytes()).hexdigest()
        (self.folder / "SHA256SUMS").write_text(f"{digest}  install.sh\n")
        command = [
            "/bin/sh",
            str(self.folder / "install.sh"),
            "--prefix",
            str(self.folder / "opt"),
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(tmp_path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"MACHINE": "riscv64"}, "this bundle is for Linux on riscv64, not"),
        ({"GLIBC_MINOR": "99"}, "needs the GNU C library 2.99 or newer, and 2."),
        ({"NEEDED_MB": "999999999"}, "needs 999999999 MB in "),
    ],
)
def test_a_server_that_does_not_fit_is_refused(
    installer: Installer, facts: dict[str, str], message: str
) -> None:
    done = installer.run(**facts)

    assert done.returncode == 78
    assert done.stderr.startswith(f"athena: {message}")
    assert not (installer.folder / "opt" / "releases").exists()


def test_a_damaged_bundle_is_refused(installer: Installer) -> None:
    with (installer.folder / "install.sh").open("a") as file:
        file.write("# damaged\n")

    done = installer.run()

    assert done.returncode == 78
    assert "the bundle is damaged: copy it again" in done.stderr
    assert not (installer.folder / "opt" / "releases").exists()


def test_what_it_does_is_told(installer: Installer) -> None:
    done = installer.run("--help")

    assert done.returncode == 2
    assert "--prefix DIR" in done.stderr
    assert "--remove" in done.stderr
