"""The commands of an exchange, by what is read of their answers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from athena.store.lease import Draw, ForeignLimits, take_command
from athena.store.scripts import Command
from workers.lease.held_jobs import HeldJob


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Compares the jobs held here with those that Redis counts as held here."""

    command: Command
    purpose: ClassVar[str] = "reconcile"


@dataclass(frozen=True, slots=True)
class Start:
    """Marks jobs as running."""

    command: Command
    jobs: Sequence[HeldJob]
    purpose: ClassVar[str] = "mark jobs as running"


@dataclass(frozen=True, slots=True)
class Finish:
    """Tells how jobs ended."""

    command: Command
    jobs: Sequence[HeldJob]
    purpose: ClassVar[str] = "finish jobs"


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Returns jobs to their queues."""

    command: Command
    jobs: Sequence[HeldJob]
    purpose: str = "return jobs"


@dataclass(frozen=True, slots=True)
class AskCanceled:
    """Asks which jobs nobody wants any more."""

    command: Command
    purpose: ClassVar[str] = "ask for canceled jobs"


@dataclass(frozen=True, slots=True)
class LookAtHead:
    """Looks at the head of a queue that is left alone."""

    command: Command
    queue: str
    purpose: ClassVar[str] = "look at the head of a queue"


@dataclass(frozen=True, slots=True)
class Tell:
    """Tells something whose answer changes nothing here."""

    command: Command
    purpose: str


@dataclass(frozen=True, slots=True)
class Take:
    """Takes up to `wanted` jobs."""

    command: Command
    wanted: int
    draw: Sequence[Draw]
    purpose: ClassVar[str] = "take jobs"


Step = Reconcile | Start | Finish | GiveBack | AskCanceled | LookAtHead | Tell | Take


class Takes:
    """Makes the takes of one worker, and numbers them: no two tokens are the same."""

    def __init__(self, incarnation: str, foreign: ForeignLimits) -> None:
        self._incarnation = incarnation
        self._foreign = foreign
        self._made = 0

    def next(self, wanted: int, draw: Sequence[Draw]) -> Take:
        """Returns the next one."""
        self._made += 1
        command = take_command(self._incarnation, draw, wanted, self._foreign, self._made)
        return Take(command, wanted, draw)
