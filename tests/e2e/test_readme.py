"""README's code blocks are run as they stand."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from tests.e2e.conftest import ROOT, START_TIMEOUT_S, Stack, wait_until
from tests.ports import is_free

pytestmark = pytest.mark.e2e

READMES = ("README.md", "README.zh.md")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both shipped abilities, on the ports that README names."""
    # Another checkout's tests may be at it.
    wait_until(lambda: is_free(30889) and is_free(5555), START_TIMEOUT_S, "README's ports are free")
    running = Stack(tmp_path_factory.mktemp("readme"), 30889, 5555)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def blocks(readme: str, language: str) -> list[str]:
    """Returns the code blocks of a language."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def client_script(readme: str) -> str:
    """Returns the block that calls mmocr."""
    return next(block for block in blocks(readme, "python") if "private/mmocr" in block)


@pytest.mark.parametrize("readme", READMES)
def test_the_client_script_prints_the_words_of_the_picture(stack: Stack, tmp_path: Path, readme: str) -> None:
    shutil.copy(ROOT / "abilities" / "mmocr" / "picture.jpg", tmp_path / "picture.jpg")
    (tmp_path / "client.py").write_text(client_script(readme))

    done = subprocess.run(
        [sys.executable, "client.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "200"
    found = [re.findall(r"Detected text is (.*), text score", line)[0] for line in lines[1:]]
    golden = orjson.loads((ROOT / "abilities" / "mmocr" / "golden.json").read_bytes())
    assert found == golden["words"]


@pytest.mark.parametrize("readme", READMES)
def test_the_shell_blocks_work(stack: Stack, tmp_path: Path, readme: str) -> None:
    (tmp_path / "abilities").symlink_to(ROOT / "abilities")
    (tmp_path / ".venv").symlink_to(sys.prefix)

    for block in blocks(readme, "bash"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

        assert done.returncode == 0, block + done.stderr
        if "-F data=" in block:
            assert "ATHENA" in done.stdout
            assert done.stdout.endswith('{"text":"hello!"}')
        elif "curl" in block:
            answer = orjson.loads(done.stdout.splitlines()[-1])
            assert answer["header"]["code"] == 0
            assert answer["job"]["state"] == "succeeded"


def test_the_wrapper_of_the_readme_is_served(tmp_path: Path, start_stack: Callable[..., Stack]) -> None:
    folder = tmp_path / "shout"
    folder.mkdir()
    source = next(block for block in blocks("README.md", "python") if "class Wrapper" in block)
    (folder / "wrapper.py").write_text(source)
    stack = start_stack("--ability", str(folder))
    stack.wait_ready()

    answer = stack.post(
        "/shout",
        {"header": {"app_id": "me", "status": 3}, "payload": {"text": {"text": "aGVsbG8="}}},
    )

    assert answer.json()["payload"]["text"]["text"] == "SEVMTE8="
