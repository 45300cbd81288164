"""Pages that are walked through: what is typed, and what counts as what it prints."""

import pytest

from tests.walk import Command, File, fits, steps

PAGE = """\
Some words.

<!-- file: a/b.py -->
```python
print("b")
```

```console
$ python a/b.py \\
    --loud
b
$ true
```

```bash
ls
```

<!-- in a terminal of its own -->
```console
$ sleep 60
…
```
"""


def test_steps_of_a_page_are_its_files_and_its_commands() -> None:
    assert list(steps(PAGE)) == [
        File("a/b.py", 'print("b")\n'),
        Command("python a/b.py \\\n    --loud", "b"),
        Command("true", ""),
        Command("sleep 60", "…", is_apart=True),
    ]


@pytest.mark.parametrize(
    ("expected", "found", "is_right"),
    [
        ("a\nb", "a\nb\n", True),
        ("a", "a\nb", False),
        ("", "a", False),
        ("id …, done", "id 4d70aff9, done", True),
        ("id …", "no id", False),
        ("…\nb", "x\ny\nb", True),
        ("…\nb", "b", True),
        ("a\n…", "a\nx\ny", True),
        ("a\n…\nc", "a\nx", False),
        ("a.c", "abc", False),
        ("a  b", "a      b", True),
        ("a  b", "a b", False),
    ],
)
def test_output_is_compared(expected: str, found: str, is_right: bool) -> None:
    assert fits(expected, found) is is_right
