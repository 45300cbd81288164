"""The clients: how each family is installed, and the command that runs its program."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"

#: What is installed and built, outside of what git knows.
BUILT = ROOT / ".bench" / "clients"

INSTALL_TIMEOUT_S = 900


@dataclass(frozen=True)
class Family:
    """Clients of one language, which one program drives.

    Attributes:
        install: installs and builds the program, once.
        command: what runs it.
        clients: the names it knows.
    """

    install: Callable[[], None]
    command: tuple[str, ...]
    clients: tuple[str, ...]


class CannotInstall(Exception):
    """A family's tools are not to be had on this machine."""


def build(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Runs a step of an installation.

    Raises:
        CannotInstall: it failed; the text is its last words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(f"{command[0]}: {error}") from None
    if done.returncode:
        raise CannotInstall(f"{' '.join(command[:3])}: {(done.stderr or done.stdout)[-500:]}")


def _install_python() -> None:
    python = BUILT / "python" / "bin" / "python"
    if not python.exists():
        build([sys.executable, "-m", "venv", str(python.parents[1])], BUILT)
    requirements = PROGRAMS / "python" / "requirements.txt"
    build([str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)], BUILT)


def _install_node() -> None:
    folder = BUILT / "node"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "client.mjs").write_text((PROGRAMS / "node" / "client.mjs").read_text())
    build(["npm", "install", "--silent", "--no-audit", "--no-fund", "axios@1.12.2"], folder)


def _install_go() -> None:
    build(["go", "build", "-o", str(BUILT / "go" / "client"), "."], PROGRAMS / "go")


def _install_rust() -> None:
    # Cargo writes beside its manifest what it has chosen.
    source = BUILT / "rust" / "source"
    shutil.copytree(PROGRAMS / "rust", source, dirs_exist_ok=True)
    target = {"CARGO_TARGET_DIR": str(BUILT / "rust")}
    build(["cargo", "build", "--quiet", "--release"], source, target)


def _install_java() -> None:
    jars = BUILT / "java" / "jars"
    copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    build(copy, PROGRAMS / "java")
    classes = str(BUILT / "java" / "classes")
    build(
        ["javac", "-cp", f"{jars}/*", "-d", classes, str(PROGRAMS / "java" / "Client.java")], BUILT / "java"
    )


FAMILIES: dict[str, Family] = {
    "python": Family(
        _install_python,
        (str(BUILT / "python" / "bin" / "python"), str(PROGRAMS / "python" / "client.py")),
        (
            "curl",
            "curl --http2",
            "curl --http1.0",
            "urllib",
            "http.client",
            "requests",
            "urllib3",
            "httpx",
            "aiohttp",
        ),
    ),
    "node": Family(_install_node, ("node", str(BUILT / "node" / "client.mjs")), ("fetch", "http", "axios")),
    "go": Family(_install_go, (str(BUILT / "go" / "client"),), ("net/http",)),
    "rust": Family(_install_rust, (str(BUILT / "rust" / "release" / "client"),), ("reqwest", "ureq")),
    "java": Family(
        _install_java,
        ("java", "-cp", f"{BUILT}/java/classes:{BUILT}/java/jars/*", "Client"),
        (
            "java.net.http, default",
            "java.net.http, HTTP/1.1",
            "HttpURLConnection",
            "OkHttp",
            "Apache HttpClient",
        ),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a case; `error` is empty where it went well."""

    case: str
    error: str = ""


def run_client(
    command: Sequence[str],
    client: str,
    url: str,
    folder: Path,
    silence_s: float,
    cases: Sequence[str],
    timeout_s: float = 300,
) -> list[Outcome]:
    """Runs the cases with one client; a case that it never came to has failed, too."""
    arguments = [client, url, str(folder), f"{silence_s:g}", *cases]
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=timeout_s)
        output, last_words = done.stdout, " ".join(done.stderr.split())[-300:]
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        last_words = f"not done after {timeout_s:g} s"
    found = {outcome.case: outcome for outcome in map(_outcome, output.splitlines()) if outcome}
    return [found.get(case, Outcome(case, last_words or "no answer")) for case in cases]


def _outcome(line: str) -> Outcome | None:
    case, _, rest = line.partition("\t")
    word, _, error = rest.partition("\t")
    if word not in ("ok", "failed"):
        return None
    return Outcome(case, error if word == "failed" else "")
