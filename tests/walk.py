"""Pages that can be walked through: their files are written, their commands typed, their output compared.

- `<!-- file: PATH -->` before a block of code: the block is the text of that file.
- A block of `console`: a line behind `$ ` is typed (one that ends with a backslash goes on in the next), and
  what follows is what it prints. `…` stands for any text in a line; alone in a line, for any lines.
  Two spaces stand for two or more.
- `<!-- in a terminal of its own -->` before such a block: its command goes on while the page does,
  and the page goes on when all that is shown has been printed.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n+)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
APART = "in a terminal of its own"

#: What ends the output of a command; no command prints it.
_END = "end-of-command-5f1b"


@dataclass(frozen=True)
class File:
    """A file that a page shows."""

    path: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command that a page shows, and what it prints."""

    line: str
    output: str
    is_apart: bool = False


def steps(page: str) -> Iterator[File | Command]:
    """Yields what a page lets its reader do, in order."""
    for block in BLOCK.finditer(page):
        note = block["note"] or ""
        if note.startswith("file: "):
            yield File(note.removeprefix("file: "), block["text"])
        elif block["kind"] == "console":
            yield from _commands(block["text"], note == APART)


def _commands(text: str, is_apart: bool) -> Iterator[Command]:
    for typed in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = typed.splitlines(keepends=True)
        count = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\\n"))
        yield Command("".join(lines[:count]).strip(), "".join(lines[count:]).strip(), is_apart)


def pattern(expected: str) -> "re.Pattern[str]":
    """Returns what output has to be."""
    lines = [
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(_text, line.split("…"))) + r"\s*\n"
        for line in expected.splitlines()
    ]
    return re.compile("".join(lines) + r"\s*")


def _text(part: str) -> str:
    # Columns are as wide as what is in them: names of hosts differ.
    return re.sub(r"(?:\\ ){2,}", " {2,}", re.escape(part))


def fits(expected: str, found: str) -> bool:
    """Whether a command printed what its page shows."""
    return pattern(expected).fullmatch(found.strip() + "\n") is not None


class Terminal:
    """A shell in a folder, in which a page's commands are typed one after the other."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._output = folder / ".output"
        self._apart: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            cwd=folder,
            env=self._environment,
            start_new_session=True,
        )

    def follow(self, page: str, timeout_s: float = 180) -> int:
        """Does what a page says; returns how many commands that were."""
        count = 0
        for step in steps(page):
            if isinstance(step, File):
                path = self._folder / step.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text, encoding="utf-8")
            else:
                count += 1
                found = self._start(step, timeout_s) if step.is_apart else self.type(step.line, timeout_s)
                assert fits(step.output, found), f"$ {step.line}\n{found}\nis not\n{step.output}"
        return count

    def type(self, line: str, timeout_s: float = 180) -> str:
        """Types a command, waits for its end and returns what it printed on both its outputs."""
        assert self._shell.stdin is not None
        mark = self._folder / ".mark"
        mark.unlink(missing_ok=True)
        script = f"{{\n{line}\n}} >{self._output} 2>&1 </dev/null; echo {_END} >{mark}\n"
        self._shell.stdin.write(script.encode())
        self._shell.stdin.flush()
        _wait(
            lambda: mark.exists() and _END in mark.read_text(),
            timeout_s,
            lambda: f"$ {line}\n{self._printed()}",
        )
        return self._printed()

    def _printed(self) -> str:
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def _start(self, command: Command, timeout_s: float) -> str:
        log = self._folder / f".apart-{len(self._apart)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command.line}"],
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._apart.append((process, log))

        def is_there() -> bool:
            found = log.read_text(errors="replace")
            assert process.poll() is None, f"$ {command.line}\n{found}"
            return fits(command.output, found)

        _wait(is_there, timeout_s, lambda: f"$ {command.line}\n{log.read_text(errors='replace')}")
        return log.read_text(errors="replace")

    def close(self) -> None:
        """Ends all that was started."""
        for process, _ in self._apart:
            process.send_signal(signal.SIGTERM)
        for process, _ in self._apart:
            process.wait(90)
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.kill()
        self._shell.wait()


def _wait(condition: Callable[[], bool], timeout_s: float, what: Callable[[], str]) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what()}"
        time.sleep(0.05)
