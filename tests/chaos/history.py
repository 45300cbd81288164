"""What a run of chaos writes down, as it happens: one JSON object a line.

Each line holds `at`, seconds on the monotonic clock, which all processes of one machine share, and `is`:

| is | who writes it | what it holds |
|---|---|---|
| `settings` | the run, first | what the checker must know: times to live, limits, gateways, seed |
| `want` | a caller, first of all for a job | `job` (its name), `may` (how it may end), `digest` |
| `call` | a caller, before each request | `call` (its number), `job`, `do`, `to` (the gateway) |
| `answer` | the same, answered or cut off | `call`, `status`, `code`, `id`, `state`, `result` |
| `fault`, `mended` | the run | `fault`, `number`; hosts that it `severs`, `stops`, `mutes` (`traits.py`) |
| `loss` | the run | `from_s`, `until_s`: writes in between are gone from Redis |
| `step` | the run | `when_s`, `by_s`: Redis' clock was set forward or back |
| `hosts` | the run, at each fault and at the end | `workers`: process ids by host |
| `run` | the run, from what the ability wrote | `job`, `run`, `pid`, `began_s`, `ended_s` or null |
| `final` | the run, when all has ended | a job's record: `job`, `id`, `state`, `result`, `why` |
| `probe` | the run, after the last fault | `to`, `service`, `status` of one call |
| `snapshot` | the run, last | what Redis and `/v1/workers` hold |

A `want` with `is_named` false has no `request_id`: nobody can ask for it again, and its record goes soon. One
with `retries` is a new job from another's inputs; the ability knows it by the other's name.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

#: Lines leave in writes of this size: a write for each would take longer than the call it tells of.
_BUFFER_BYTES = 1 << 20


class History:
    """A file that any thread may add to.

    Attributes:
        began_s: when it was begun: what happened earlier is of another history.
    """

    def __init__(self, path: Path) -> None:
        self.began_s = time.monotonic()
        self._lock = threading.Lock()
        self._file = path.open("wb", buffering=_BUFFER_BYTES)

    def note(self, what: str, **fields: Any) -> None:
        """Adds a line."""
        line = orjson.dumps({"at": time.monotonic(), "is": what, **fields}, option=orjson.OPT_APPEND_NEWLINE)
        with self._lock:
            self._file.write(line)

    def close(self) -> None:
        """Writes what is left."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> "History":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Untold(History):
    """Keeps nothing: for tests that look at the jobs themselves."""

    def __init__(self) -> None:
        """Opens no file."""

    def note(self, what: str, **fields: Any) -> None:
        """Drops it."""

    def close(self) -> None:
        """Has nothing to write."""


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Returns the lines of a history.

    Raises:
        ValueError: a line is not what `History` writes; the text names it.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            found = None
            with suppress(orjson.JSONDecodeError):
                found = orjson.loads(line)
            if not isinstance(found, dict) or not isinstance(found.get("is"), str):
                raise ValueError(f"{path}:{number}: not a line of a history: {line[:80]!r}")
            yield found
