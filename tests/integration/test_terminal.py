"""The terminal in which pages are walked through."""

from pathlib import Path

import pytest

from tests.walk import Terminal

PAGE = """\
```console
$ folder=$WORD; mkdir $folder
$ cd $folder; pwd
…/hello
$ ls nothing
…No such file…
```
"""


def test_terminal_is_one_shell_that_remembers(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {"WORD": "hello"})
    try:
        assert terminal.follow(PAGE) == 3
        with pytest.raises(AssertionError, match=r"\$ echo a"):
            terminal.follow("```console\n$ echo a\nb\n```")
    finally:
        terminal.close()
