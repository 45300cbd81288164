"""Abilities with packages of their own: real environments, filled by a real pip from a folder of wheels."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import humanize
import pytest

from athena import __version__, cli
from athena.ability.manifest import Ability, load_ability
from athena.environments.choice import choose
from athena.environments.interpreter import own_abi
from athena.environments.shelf import NAME, Shelf
from athena.errors import ConfigError
from tests.conftest import wait_until
from tests.wheels import write_wheel

#: Answers with the version of the package `toy` that it gets, and whose Python runs it.
WRAPPER = """\
import json, os, shutil, sys
import toy
from athena.sdk import *

class Asked:
    text = StringBodyField(key="text", value=b"hello")

class Answered:
    told = StringBodyField(key="told")

class Wrapper(WrapperBase):
    requestCls = Asked()
    responseCls = Answered()
    def wrapperInit(self, config):
        return 0
    def wrapperOnceExec(self, params, reqData):
        told = {"toy": toy.__version__, "python": sys.executable, "tool": shutil.which("toy-tool")}
        response = Response()
        response.list = [ResponseData("told", json.dumps(told))]
        return response
"""

MADE = "[worker]\nrequirements = true\n"


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two versions of a package, and no index; the folder of environments is the test's."""
    folder = tmp_path / "wheels"
    for version in ("1.0", "2.0"):
        write_wheel(folder, "toy", version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("ATHENA_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def ability(folder: Path, requirements: str | None = None, options: str = MADE) -> Ability:
    folder.mkdir(exist_ok=True)
    (folder / "wrapper.py").write_text(WRAPPER)
    (folder / "ability.toml").write_text(options)
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements)
    return load_ability(folder)


def shelf(tmp_path: Path, said: list[str] | None = None, timeout_s: float = 120) -> Shelf:
    told: list[str] = [] if said is None else said
    return Shelf(tmp_path / "cache" / NAME, timeout_s, told.append)


def answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Returns what the wrapper in a folder tells of itself."""
    assert cli.main(["run", str(folder)]) == 0
    return json.loads(capsys.readouterr().out.partition("told (text): ")[2])


def refusal(tmp_path: Path, refused: Ability) -> str:
    with pytest.raises(ConfigError) as error:
        choose(refused, shelf(tmp_path))
    return error.value.message


def environment(folder: Path) -> Path:
    """Makes an environment as an author would; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    return folder / "bin" / "python"


def pip(python: Path, *packages: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "install", *packages]
    subprocess.run(command, check=True, timeout=120)


def test_abilities_that_exclude_each_other_run_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ability(tmp_path / "old", "toy<2\n")
    ability(tmp_path / "new", "toy  # the newest\n")

    old, new = answer(tmp_path / "old", capsys), answer(tmp_path / "new", capsys)

    assert (old["toy"], new["toy"]) == ("1.0", "2.0")
    assert len({old["python"], new["python"], sys.executable}) == 3


def test_packages_of_an_ability_come_before_those_of_athena(
    tmp_path: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    write_wheel(wheels, "humanize", "99.0")
    folder = ability(tmp_path / "one", "humanize==99.0\n").path
    (folder / "wrapper.py").write_text(WRAPPER.replace("toy", "humanize"))

    assert answer(folder, capsys)["humanize"] == "99.0" != humanize.__version__


def test_wheels_that_an_archive_brought_are_taken_without_an_index(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ability(tmp_path / "one", "toy==3.0")
    write_wheel(wanted.path / "wheels", "toy", "3.0")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    # Nobody listens there: who asks waits, and is told by pip that it tries again.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")

    made = Path(choose(wanted, shelf(tmp_path)).path).parents[1]

    assert "127.0.0.1:9" not in made.with_suffix(".log").read_text()


def test_environment_is_made_once(tmp_path: Path) -> None:
    said: list[str] = []
    first, other = ability(tmp_path / "one", "toy==1.0"), ability(tmp_path / "two", "toy==1.0")

    found = {choose(item, shelf(tmp_path, said)).path for item in (first, first, other)}

    assert len(found) == 1
    assert [line.partition(" ")[0] for line in said] == ["installing", "installed"]


def test_processes_that_begin_at_once_make_one_environment(tmp_path: Path) -> None:
    said: list[str] = []
    wanted = ability(tmp_path / "one", "toy==1.0")
    threads = [threading.Thread(target=lambda: choose(wanted, shelf(tmp_path, said))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert len(said) == 2


def test_processes_that_find_it_at_once_link_it(tmp_path: Path) -> None:
    wanted = ability(tmp_path / "one", "toy==1.0")
    made = choose(wanted, shelf(tmp_path)).path
    link = tmp_path / "cache" / NAME / "abilities" / wanted.service_id

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            link.unlink()
            found = pool.map(lambda _: choose(wanted, shelf(tmp_path)).path, range(8))
            assert set(found) == {made}
            assert [item.name for item in link.parent.iterdir()] == [link.name]


def test_environment_that_was_not_finished_is_made_again(tmp_path: Path) -> None:
    said: list[str] = []
    wanted = ability(tmp_path / "one", "toy==1.0")
    made = Path(choose(wanted, shelf(tmp_path)).path).parents[1]
    (made / "complete").unlink()

    choose(wanted, shelf(tmp_path, said))

    assert len(said) == 2 and (made / "complete").exists()


def test_an_edit_makes_another_and_the_one_before_goes_when_nobody_runs_in_it(tmp_path: Path) -> None:
    before = Path(choose(ability(tmp_path / "one", "toy==1.0"), running := shelf(tmp_path)).path)
    later = shelf(tmp_path)

    after = Path(choose(ability(tmp_path / "one", "toy==2.0"), later).path)

    assert before.exists() and after != before and later.drop_left() == []
    for descriptor in running._held:
        os.close(descriptor)
    assert later.drop_left() == [before.parents[1].name]
    assert after.exists() and not before.exists()


def test_what_is_installed_beside_athena_needs_no_environment(tmp_path: Path) -> None:
    wanted = ability(tmp_path / "one", 'orjson>=3\nnosuch==1; python_version < "3"\n')

    assert choose(wanted, shelf(tmp_path)).path == sys.executable
    assert not (tmp_path / "cache").exists()


def test_programs_of_the_packages_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ability(tmp_path / "one", "toy==1.0")
    python = answer(tmp_path / "one", capsys)["python"]
    tool = Path(python).with_name("toy-tool")
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)

    assert answer(tmp_path / "one", capsys)["tool"] == str(tool)


def test_folder_that_is_made_is_closed(tmp_path: Path) -> None:
    choose(ability(tmp_path / "one", "toy==1.0"), shelf(tmp_path))

    assert [(tmp_path / name).stat().st_mode & 0o077 for name in ("cache", f"cache/{NAME}")] == [0, 0]


@pytest.mark.parametrize(
    ("requirements", "texts"),
    [
        (
            "toy==9\n",
            ["pip cannot install it: ", "No matching distribution found for toy==9", "(there are: "],
        ),
        ("nosuch\n", ["No matching distribution found for nosuch"]),
        ("toy==1.0\ntoy==2.0\n", ["Cannot install toy==1.0 and toy==2.0"]),
        ("click==7.0\n", ["The user requested click==7.0", "Athena works with click"]),
        ("-r more.txt\n", ["more.txt is not there"]),
        ("toy\nAthena_Serving\n", ["names athena-serving; delete the line"]),
        (None, ["requirements.txt is not there; write it"]),
    ],
)
def test_refusal_names_file_package_and_remedy(
    tmp_path: Path, wheels: Path, requirements: str | None, texts: list[str]
) -> None:
    write_wheel(wheels, "click", "7.0")

    told = refusal(tmp_path, ability(tmp_path / "one", requirements))

    assert str(tmp_path / "one" / ("more.txt" if "more.txt" in texts[0] else "requirements.txt")) in told
    assert all(text in told for text in texts), told
    assert "\n" not in told
    if "pip cannot" in told:
        log = Path(told.partition("; ")[2].rpartition(" has all that it said")[0].rpartition(" ")[2])
        assert "ERROR" in log.read_text()


def test_package_that_hashes_hide_from_pip_is_found_not_to_fit(tmp_path: Path, wheels: Path) -> None:
    digest = hashlib.sha256(write_wheel(wheels, "click", "7.0").read_bytes()).hexdigest()

    refused = refusal(tmp_path, ability(tmp_path / "one", f"click==7.0 \\\n    --hash=sha256:{digest}\n"))

    assert "and 7.0 is installed" in refused and "celery needs click" in refused


def test_pip_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    source = tmp_path / "slow"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n'
    )
    mark = tmp_path / "pid"
    (source / "slow.py").write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(mark) + '.new'!r}).write_text(str(os.getpid()))\n"
        f"os.replace({str(mark) + '.new'!r}, {str(mark)!r})\n"
        "time.sleep(600)\n"
    )
    wanted = ability(tmp_path / "one", f"{source}\n")

    # On a busy machine pip needs longer to come so far.
    for timeout_s in (4, 10, 30, 90):
        with pytest.raises(ConfigError) as error:
            choose(wanted, shelf(tmp_path, timeout_s=timeout_s))
        assert f"pip was not done within {timeout_s} s (ATHENA_INSTALL_TIMEOUT_S)" in error.value.message
        if mark.exists():
            break

    wait_until(lambda: not Path(f"/proc/{mark.read_text()}").exists(), "what pip started is gone")


def test_what_cannot_be_installed_leaves_what_was_there(tmp_path: Path) -> None:
    before = choose(ability(tmp_path / "one", "toy==1.0"), shelf(tmp_path))
    edited = ability(tmp_path / "one", "toy==9\n")

    found = choose(edited, shelf(tmp_path), is_lenient=True)

    assert found.path == before.path
    assert "toy==9" in found.problem and found.problem.endswith(
        "it runs with the packages that it had before"
    )
    assert "toy==9" in refusal(tmp_path, edited)


def test_author_may_keep_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "one"
    ability(folder, options='[worker]\npython = ".venv/bin/python"\n')
    python = environment(folder / ".venv")
    pip(python, "toy==1.0")

    told = answer(folder, capsys)

    assert (told["toy"], told["python"]) == ("1.0", str(python))


def test_python_that_is_not_there_is_told_with_how_to_make_it(tmp_path: Path) -> None:
    folder = tmp_path / "one"

    told = refusal(tmp_path, ability(folder, options='[worker]\npython = ".venv/bin/python"\n'))

    assert told.startswith(
        f"{folder / 'ability.toml'}: worker.python: {folder}/.venv/bin/python is not there"
    )
    assert f"-m venv {folder}/.venv && {folder}/.venv/bin/pip install -r {folder}/requirements.txt" in told


@pytest.mark.parametrize(
    ("named", "text"),
    [
        (".venv", '/.venv is a folder; name the Python in it: python = ".venv/bin/python"'),
        ("python3", "/python3 is not there; name the Python of an environment, such as .venv/bin/python"),
        ("nothing", "/nothing is not there; name the Python of an environment"),
    ],
)
def test_what_is_no_python_of_an_environment_is_told(tmp_path: Path, named: str, text: str) -> None:
    """Nobody is told to make an environment in a folder that only happens to be above."""
    (tmp_path / "one" / ".venv").mkdir(parents=True)

    told = refusal(tmp_path, ability(tmp_path / "one", options=f'[worker]\npython = "{named}"\n'))

    assert f"{tmp_path / 'one'}{text}" in told and "-m venv" not in told


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo broken >&2; exit 3", "does not run: broken"),
        (
            """echo '{"version": "3.6.1", "abi": "cpython-36m", "packages": {}}'""",
            "is Python 3.6.1 (cpython-36m), and",
        ),
        (
            f"""echo '{{"version": "3", "abi": "{own_abi()}","""
            """ "packages": {"athena_serving": ["0.0.1", []]}}'""",
            f"has an athena-serving of its own, 0.0.1, and {__version__} serves it",
        ),
    ],
)
def test_python_that_cannot_serve_is_told_with_the_reason(tmp_path: Path, script: str, text: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)

    told = refusal(tmp_path, ability(tmp_path / "one", options=f"[worker]\npython = {str(python)!r}\n"))

    assert told.startswith(f"{tmp_path}/one/ability.toml: worker.python: {python} ") and text in told


def test_python_of_another_kind_serves_where_it_has_athena_itself(tmp_path: Path) -> None:
    python = tmp_path / "python"
    told = {"version": "3.99.0", "abi": "cpython-399", "packages": {"athena-serving": [__version__, []]}}
    python.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    python.chmod(0o755)

    found = choose(
        ability(tmp_path / "one", options=f"[worker]\npython = {str(python)!r}\n"), shelf(tmp_path)
    )

    assert found.command((sys.executable, "-P", "-m", "workers")) == (str(python), "-P", "-m", "workers")


def test_environment_whose_packages_athena_does_not_take_is_refused(tmp_path: Path, wheels: Path) -> None:
    write_wheel(wheels, "click", "7.0")
    folder = tmp_path / "one"
    folder.mkdir()
    pip(environment(folder / ".venv"), "click==7.0")

    told = refusal(tmp_path, ability(folder, options='[worker]\npython = ".venv/bin/python"\n'))

    assert "celery needs click" in told and "and 7.0 is installed; take other versions" in told


def test_check_runs_in_it_and_says_why_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ability(tmp_path / "one", "toy==1.0")
    assert cli.main(["check", str(tmp_path / "one"), "--json"]) == 0
    assert not [
        item for item in json.loads(capsys.readouterr().out)["findings"] if item["severity"] == "error"
    ]

    ability(tmp_path / "one", "toy==9")
    assert cli.main(["check", str(tmp_path / "one"), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["rule"], "toy==9" in finding["text"]) == ("no-environment", True)


def test_check_compares_imports_with_requirements(
    tmp_path: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def unlisted(requirements: str | None) -> list[str]:
        (folder / "requirements.txt").unlink(missing_ok=True)
        if requirements is not None:
            (folder / "requirements.txt").write_text(requirements)
        assert cli.main(["check", str(folder), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["findings"]
        return [f"{item['text']} {item['remedy']}" for item in found if item["rule"] == "unlisted-import"]

    folder = ability(tmp_path / "one", options="").path
    (folder / "wrapper.py").write_text(
        WRAPPER.replace("import toy\n", "import helper, yaml\nfrom athena.sdk import onnx\n").replace(
            "toy._", "yaml._"
        )
    )
    (folder / "helper.py").write_text("import numpy\n")

    assert unlisted(None) == []
    texts = sorted(unlisted("# nothing\n"))
    assert [text.split("'")[1] for text in texts] == ["athena.sdk.onnx", "numpy", "yaml"]
    assert all("for which requirements.txt names no package" in text for text in texts)
    assert "add the line onnxruntime==" in texts[0] and "add the line PyYAML==" in texts[2]
    assert unlisted("pyyaml\nnumpy>=2  # arrays\nonnxruntime-gpu; python_version < '3'\nonnxruntime\n") == []
    assert unlisted("./something.whl\n") == []


def test_schema_is_asked_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ability(tmp_path / "one", "toy==1.0")

    assert cli.main(["schema", str(tmp_path / "one")]) == 0

    assert "told" in capsys.readouterr().out


def test_install_says_which_python_each_ability_gets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ability(tmp_path / "one", "toy==1.0")
    ability(tmp_path / "bad", "toy==9")
    ability(tmp_path / "plain", options="")

    status = cli.main(["install", *(str(tmp_path / name) for name in ("one", "bad", "plain"))])

    said = capsys.readouterr()
    assert status == 1
    assert said.out.splitlines()[0].startswith(f"one runs in {tmp_path / 'cache' / NAME}/")
    assert said.out.splitlines()[1] == f"plain runs in {sys.executable}"
    assert f"athena: bad: {tmp_path / 'bad' / 'requirements.txt'}: pip cannot install it" in said.err
