"""`scripts/release.sh cut`: a version, in one commit and a tag."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = (
    "scripts/release.sh",
    "athena/__init__.py",
    "CHANGELOG.md",
    "deploy/compose/.env.example",
    "deploy/helm/athena/Chart.yaml",
)


class Checkout:
    """A repository with the files that a version changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FILES:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((ROOT / name).read_bytes())
            path.chmod(0o755)
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "before")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
        command = ["git", "-C", str(self.folder), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def cut(self, version: str) -> subprocess.CompletedProcess[str]:
        names = ("AUTHOR", "COMMITTER")
        identity = {
            f"GIT_{name}_{kind}": "nobody@example.com" for name in names for kind in ("NAME", "EMAIL")
        }
        return subprocess.run(
            ["bash", str(self.folder / "scripts" / "release.sh"), "cut", version],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **identity},
        )

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_version_is_one_commit_and_a_tag(checkout: Checkout) -> None:
    done = checkout.cut("9.8.7")

    assert done.returncode == 0, done.stderr
    assert '__version__ = "9.8.7"' in checkout.read("athena/__init__.py")
    assert "ATHENA_VERSION=9.8.7" in checkout.read("deploy/compose/.env.example")
    chart = checkout.read("deploy/helm/athena/Chart.yaml")
    assert "\nversion: 9.8.7\nappVersion: 9.8.7\n" in chart
    assert "apiVersion: v2\n" in chart
    assert "## [Unreleased]\n\n## [9.8.7] - 20" in checkout.read("CHANGELOG.md")
    assert checkout.git("tag", "--points-at", "HEAD") == "v9.8.7\n"
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("version", "message"),
    [("1.2", "a version is written as 0.2.0, not 1.2"), ("0.0.1", "0.0.1 is older than")],
)
def test_a_version_that_cannot_be_is_refused(checkout: Checkout, version: str, message: str) -> None:
    done = checkout.cut(version)

    assert done.returncode == 78
    assert message in done.stderr
    assert checkout.git("tag") == ""


def test_what_is_not_committed_is_in_no_version(checkout: Checkout) -> None:
    (checkout.folder / "CHANGELOG.md").write_text("changed")

    done = checkout.cut("9.8.7")

    assert done.returncode == 78
    assert "commit first" in done.stderr
    assert checkout.git("tag") == ""
