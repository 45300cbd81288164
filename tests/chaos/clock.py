"""A server whose machine's clock is stepped: a library in it that asks a file how wrong the clock is."""

from pathlib import Path

#: Where Debian's package `faketime` puts it.
_PLACES = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def find_faketime() -> Path | None:
    """Returns the library, if this machine has it."""
    return next(iter(sorted(Path("/").glob(_PLACES.lstrip("/")))), None)


class Clock:
    """The wall clock of one program; its monotonic clock is nobody's to step."""

    def __init__(self, folder: Path, library: Path) -> None:
        self._file = folder / "clock"
        self._library = library
        self.offset_s = 0.0
        self.step(0.0)

    def command(self, command: list[str]) -> list[str]:
        """Returns the command of a program with this clock."""
        variables = {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            # Looked at once a second, so a step comes a second later.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Files keep their true times.
            "NO_FAKE_STAT": "1",
        }
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in variables.items()), *command]

    def step(self, by_s: float) -> None:
        """Sets it forward, or back."""
        self.offset_s += by_s
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{self.offset_s:+g}\n")
        draft.rename(self._file)
