"""`athena completion`: scripts that shells read."""

import subprocess

import pytest

from athena.cli import main
from athena.cli.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0

    assert "jobs" in capsys.readouterr().out


def test_bash_completes_commands_verbs_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out

    def completed(*words: str) -> set[str]:
        typed = " ".join(words)
        ask = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _shtab_athena athena"
        command = ["bash", "--norc", "-c", f"{script}\n{ask}\necho ${{COMPREPLY[*]}}"]
        return set(subprocess.check_output(command, text=True, timeout=60).split())

    assert completed("athena", "comp") == {"completion"}
    assert completed("athena", "jobs", "wa") == {"wait"}
    assert completed("athena", "jobs", "ls", "--sta") == {"--state"}
    assert "failed" in completed("athena", "jobs", "ls", "--state", "f")
