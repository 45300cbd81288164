"""Abilities with packages of their own under one `athena serve`: exclusive versions, and failures."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ATHENA, ECHO, ROOT, Stack, example, serving, wait_until
from tests.wheels import write_wheel

pytestmark = pytest.mark.e2e

#: Answers with the version of a package that it gets.
WRAPPER = """\
import {package}
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
        response = Response()
        response.list = [ResponseData("told", {package}.__version__)]
        return response
"""


def write_ability(folder: Path, requirements: str, package: str = "toy") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "wrapper.py").write_text(WRAPPER.format(package=package))
    (folder / "ability.toml").write_text("[worker]\nrequirements = true\n")
    (folder / "requirements.txt").write_text(requirements)
    return folder


class Site:
    """A stack whose abilities ask for packages."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder = folder
        self.stack = stack

    def told(self, name: str) -> str:
        answer = self.stack.post(f"/{name}", {"text": "x"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["told"])

    def failure(self, name: str) -> str:
        # One that never served has no document of its own.
        listed = self.stack.get("/v1/abilities").json()["abilities"]
        return next((item["failure"] for item in listed if item["service_id"] == name), "") or ""

    def edit(self, name: str, requirements: str) -> None:
        (self.folder / name / "requirements.txt").write_text(requirements)

    def restart(self, name: str) -> None:
        command = [*ATHENA, "workers", "ls", "--json", "--redis", self.stack.redis_url]
        listed: Any = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
        names = [item["entry"]["name"] for item in listed["workers"] if item["entry"]["service_id"] == name]
        command = [*ATHENA, "workers", "restart", *names, "--wait", "--redis", self.stack.redis_url]
        subprocess.run(command, cwd=ROOT, check=True, timeout=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("abilities")
    for version in ("1.0", "2.0"):
        write_wheel(folder / "wheels", "toy", version)
    abilities = [
        write_ability(folder / "old", "toy<2\n"),
        write_ability(folder / "new", "toy>=2\n"),
        write_ability(folder / "broken", "nosuch==1\n"),
        ECHO,
    ]
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")}
    with serving(tmp_path_factory.mktemp("site"), *abilities, **pip) as stack:
        yield Site(folder, stack)


def test_versions_that_exclude_each_other_are_served_side_by_side(site: Site) -> None:
    assert (site.told("old"), site.told("new")) == ("1.0", "2.0")


def test_ability_whose_packages_cannot_be_had_says_why_and_leaves_the_others_serving(site: Site) -> None:
    place = f"{site.folder / 'broken' / 'requirements.txt'}: pip cannot install it: "

    wait_until(lambda: site.failure("broken").startswith(place), 60, "the gateway shows it")
    assert "nosuch==1" in site.failure("broken")
    assert site.stack.post("/echo", example("echo")).status_code == 200

    site.edit("broken", "toy\n")
    wait_until(lambda: not site.failure("broken"), 120, "the mended one is installed and serves")
    assert site.told("broken") == "2.0"


def test_edit_that_cannot_be_installed_takes_no_worker_down(site: Site) -> None:
    site.edit("old", "toy==9\n")
    site.restart("old")

    assert site.told("old") == "1.0"
    wait_until(lambda: "toy==9" in site.failure("old"), 60, "the gateway shows it")
    assert site.failure("old").endswith("it runs with the packages that it had before")

    site.edit("old", "toy==1.0\n")
    site.restart("old")
    wait_until(lambda: not site.failure("old"), 60, "it is forgotten")
    assert site.told("old") == "1.0"


def test_worker_that_died_comes_back_without_pip(site: Site) -> None:
    (worker,) = (
        child for child in site.stack.children("-m", "workers") if "new." in " ".join(child.cmdline())
    )
    before = site.stack.log.count("installing what")

    os.kill(worker.pid, signal.SIGKILL)

    wait_until(lambda: not worker.is_running(), 60, "it is gone")
    assert site.told("new") == "2.0"
    assert site.stack.log.count("installing what") == before


def test_numpy_of_two_versions(tmp_path: Path) -> None:
    """Real packages from the index."""
    abilities = [
        write_ability(tmp_path / "numpy23", "numpy==2.3.*\n", "numpy"),
        write_ability(tmp_path / "numpy24", "numpy==2.4.1\n", "numpy"),
    ]
    with serving(tmp_path, *abilities) as stack:
        site = Site(tmp_path, stack)
        assert site.told("numpy23").startswith("2.3.")
        assert site.told("numpy24") == "2.4.1"
