"""A call of each build as it is kept, in docs/benchmarks/hand_overs, and what the document says of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.contestants import BUILDS
from benchmarks.one_call.wakes import Bar, HandOver, OneCall

FOLDER = results.FOLDER / "hand_overs"


@dataclass(frozen=True)
class Kept:
    """A typical call of a build.

    Attributes:
        call: with times from the call's begin on.
        changes: how many of all calls changed hands how often.
    """

    call: OneCall
    changes: Mapping[int, int]
    about: Mapping[str, Any]

    @property
    def way(self) -> str:
        """Through whose hands the call goes."""
        hand_overs = self.call.way
        return " → ".join([*(one.sender for one in hand_overs), hand_overs[-1].receiver])


def save(name: str, kept: Kept, folder: Path = FOLDER) -> Path:
    """Writes the call of a build, its times from its begin on and in whole microseconds."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(asdict(Kept(from_zero(kept.call), kept.changes, kept.about)), indent=1) + "\n")
    return path


def load(path: Path) -> Kept:
    """Reads the call of a build."""
    stored = json.loads(path.read_text())
    call = stored["call"]
    bars = [Bar(**item) for item in call["bars"]]
    hand_overs = [HandOver(**item) for item in call["hand_overs"]]
    changes = {int(number): count for number, count in stored["changes"].items()}
    return Kept(OneCall(call["began_s"], call["ended_s"], bars, hand_overs), changes, stored["about"])


def load_all(folder: Path = FOLDER) -> dict[str, Kept]:
    """Reads the calls of both builds, as far as they are there."""
    paths = {name: folder / f"{name}.json" for name in BUILDS}
    return {name: load(path) for name, path in paths.items() if path.exists()}


def from_zero(call: OneCall) -> OneCall:
    """Returns a call whose times begin with 0."""

    def at(time_s: float) -> float:
        return round(time_s - call.began_s, 6)

    bars = [Bar(one.lane, at(one.began_s), at(one.ended_s)) for one in call.bars]
    hand_overs = [
        HandOver(
            one.sender,
            one.receiver,
            at(one.sent_s),
            at(one.woke_s),
            at(one.read_s),
            one.is_lock,
            one.place,
        )
        for one in call.hand_overs
    ]
    return OneCall(0.0, at(call.ended_s), bars, hand_overs)


def sheet(kept: Mapping[str, Kept]) -> str:
    """Returns where and when both calls were traced, and their ways, as Markdown."""
    first = next(iter(kept.values())).about
    lines = [
        f"{first['date']}, on {first['machine']['cores']} cores of {first['machine']['cpu']}; "
        f"`{first['command']}`",
        "",
        "| build | changes of hands | so many of the calls | way |",
        "| --- | ---: | ---: | --- |",
        *_rows(kept),
    ]
    return "\n".join(lines) + "\n"


def _rows(kept: Mapping[str, Kept]) -> Iterator[str]:
    for name, one in kept.items():
        alike, total = one.changes[one.call.changes], sum(one.changes.values())
        yield f"| {name}, {one.about['commit']} | {one.call.changes} | {alike} of {total} | {one.way} |"
