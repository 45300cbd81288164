"""The sample wrappers of the original SDK's package, downloaded for the test, run unchanged."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

VERSION = "0.16.0"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package `aiges`, unpacked and not installed."""
    folder = tmp_path_factory.mktemp("aiges")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"aiges=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "package")
    return folder / "package" / "aiges"


def athena(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "athena", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def make_ability(package: Path, sample: str, folder: Path) -> Path:
    """Returns a folder with a sample as its wrapper, and the test data that is in the package."""
    folder.mkdir()
    shutil.copy(package / sample, folder / "wrapper.py")
    shutil.copytree(package / "test_data", folder / "test_data")
    # wrapper.py names its test data from the folder above the package.
    shutil.copytree(package / "test_data", folder / "aiges" / "test_data")
    return folder


def test_the_sample_wrapper_answers(package: Path, tmp_path: Path) -> None:
    folder = make_ability(package, "wrapper.py", tmp_path / "ability")

    checked = athena("check", str(folder), "--json")
    ran = athena("run", str(folder))

    report = json.loads(checked.stdout)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert report["outputs"] == [{"output": "boxes", "type": 0, "bytes": 2}]
    assert ran.stdout == "boxes (text): cc\n"


def test_the_sample_wrapper_runs_alone(package: Path, tmp_path: Path) -> None:
    """Its last lines write the schema document and run it: `python wrapper.py`."""
    folder = make_ability(package, "wrapper.py", tmp_path / "ability")
    # Beside the real package's name, ours must be found.
    shutil.rmtree(folder / "aiges")

    done = subprocess.run(
        [sys.executable, "wrapper.py"], cwd=folder, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "the answer is verified: boxes" in done.stderr
    assert json.loads((folder / "out.json").read_text())["meta"]["serviceId"] == "mmocr"


def test_the_template_of_new_projects_answers(package: Path, tmp_path: Path) -> None:
    """`python -m aiges create` of the original fills a template; here its variables are filled likewise."""
    folder = make_ability(package, "tpls/wrapper.py.j2", tmp_path / "ability")
    path = folder / "wrapper.py"
    source = path.read_text()
    for name in ("datetime", "project_name", "project_path"):
        source = source.replace("{{vars." + name + "}}", "x")
    path.write_text(source)

    ran = athena("run", str(folder), "--param", "p2=a", "--output", f"result={tmp_path / 'result.png'}")

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "result.png").read_bytes() == (package / "test_data" / "test.png").read_bytes()


def test_the_sample_of_streams_loads(package: Path, tmp_path: Path) -> None:
    """Its answers are read from a file that is not in the package; loading needs none."""
    folder = make_ability(package, "examples/stream/mock/wrapper.py", tmp_path / "ability")

    done = athena("check", str(folder), "--json", "--timeout", "60")

    steps = [item["step"] for item in json.loads(done.stdout)["steps"]]
    assert steps[:2] == ["import", "wrapperInit"]
    assert steps[-1] == "wrapperFini"


@pytest.mark.parametrize(
    ("sample", "missing"),
    [("examples/stream/mmocr/wrapper.py", "'mmocr'"), ("backup/wrapper_mmocr.py", "'sdk'")],
)
def test_samples_that_need_other_packages_say_which(
    package: Path, tmp_path: Path, sample: str, missing: str
) -> None:
    folder = make_ability(package, sample, tmp_path / "ability")

    done = athena("check", str(folder), "--json")

    errors = [item for item in json.loads(done.stdout)["findings"] if item["severity"] == "error"]
    assert [item["rule"] for item in errors] == ["missing-module"]
    assert missing in errors[0]["text"]


def test_the_sample_that_breaks_its_own_declaration_is_told_so(package: Path, tmp_path: Path) -> None:
    """It answers with the outputs of a test; the original SDK's `run` refuses them as well."""
    folder = make_ability(package, "examples/once/mmocr/wrapper.py", tmp_path / "ability")

    ran = athena("run", str(folder))

    assert "output 'ccc' is not declared in responseCls; declared: boxes, boxes2 (code 10106)" in ran.stderr


def test_the_sample_of_functions_answers_with_its_code(package: Path, tmp_path: Path) -> None:
    folder = make_ability(package, "backup/wrapper_old.py", tmp_path / "ability")

    ran = athena("run", str(folder), "--input", "data=a")

    assert ran.returncode == 1
    assert "this is a tese error return;code=100 (code 10909)" in ran.stderr
