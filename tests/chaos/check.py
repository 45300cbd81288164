"""`python -m tests.chaos.check HISTORY`: reads what a run of chaos wrote down, and names the broken promises.

It needs neither Redis nor Athena, so anyone may run it again, on another machine, on the file of any run.
Ends with status 1 if a rule is broken, and 2 if the file is no history.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.chaos import causes
from tests.chaos.history import read_lines
from tests.chaos.rules import RULES, complaints, facts
from tests.chaos.story import Reader, Story

#: So many complaints of one rule are shown.
SHOWN = 10


def main() -> int:
    """Checks a history and prints what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("history", type=Path, metavar="HISTORY")
    options = parser.parse_args()
    try:
        story = read(options.history)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{options.history}: {error}; give it the file of `make chaos ARGS='--history FILE'`")
        return 2
    found = complaints(story)
    print(text(story, found))
    return int(any(found.values()))


def read(path: Path) -> Story:
    """Returns the story of a file.

    Raises:
        ValueError: it is no history.
    """
    story = Reader().read(read_lines(path))
    if not story.settings:
        raise ValueError("its first line must be of kind 'settings'")
    return story


def text(story: Story, found: Mapping[str, list[str]]) -> str:
    """Returns the findings for people."""
    counts = ", ".join(f"{count} {name}" for name, count in facts(story).items())
    lines = [f"history of seed {story.settings['seed']}: {counts}"]
    for rule in RULES:
        wrong = found[rule.__name__]
        promise = (rule.__doc__ or "").partition("\n")[0]
        lines.append(f"  {f'BROKEN {len(wrong)}' if wrong else 'holds':<12}{promise}")
        lines += [f"    {complaint}" for complaint in wrong[:SHOWN]]
        if len(wrong) > SHOWN:
            lines.append(f"    and {len(wrong) - SHOWN} more")
    lines += ["", *causes.text(story)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
