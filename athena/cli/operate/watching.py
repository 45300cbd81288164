"""`--watch`: what a command prints, drawn again and again."""

import argparse
import io
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from athena.cli.operate.times import clock_text, duration_s
from athena.errors import AthenaError, ConfigError, StoreError

if TYPE_CHECKING:
    from rich.text import Text

EVERY_S = 2.0

#: Faster than that keeps Redis busy.
MIN_EVERY_S = 1.0


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Adds the option."""
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_every,
        const=EVERY_S,
        metavar="TIME",
        help="draw it again and again, every 2 s or as named; Ctrl-C ends it",
    )


def _every(text: str) -> float:
    every_s = duration_s(text)
    if every_s < MIN_EVERY_S:
        raise argparse.ArgumentTypeError(f"must be {MIN_EVERY_S:g} s or more")
    return every_s


def show_once_or_again(
    options: argparse.Namespace, show: Callable[[], int | None], away: type[AthenaError]
) -> int:
    """Shows something once, or as `--watch` asks for; returns the exit status.

    Args:
        options: may have `watch`.
        show: prints it.
        away: is raised where nobody answers.

    Raises:
        AthenaError: it cannot be shown, or drawn.
    """
    every_s: float | None = getattr(options, "watch", None)
    if every_s is None:
        return show() or 0
    if options.json:
        raise ConfigError("--watch draws a table; leave --json out")
    return watch(show, every_s, away)


def watch(show: Callable[[], object], every_s: float, away: type[AthenaError] = StoreError) -> int:
    """Draws what `show` prints until Ctrl-C; while whoever is asked is away, that it is.

    Raises:
        ConfigError: nobody looks.
    """
    # Loaded here: commands that draw nothing start sooner without it.
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if not console.is_terminal:
        raise ConfigError("--watch draws on a terminal, and this is none; leave it out to print once")
    try:
        with Live(_picture(show, every_s, away), console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.refresh()
                time.sleep(every_s)
                live.update(_picture(show, every_s, away))
    except KeyboardInterrupt:
        return 0


def _picture(show: Callable[[], object], every_s: float, away: type[AthenaError]) -> "Text":
    from rich.text import Text

    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            show()
    except away as error:
        printed.write(f"athena: {error.message}\n")
    head = f"{clock_text(int(time.time() * 1000))}, every {every_s:g} s; Ctrl-C ends it\n\n"
    return Text(head + printed.getvalue(), no_wrap=True, overflow="crop")
