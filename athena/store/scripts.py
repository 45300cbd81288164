"""The Lua scripts: each changes jobs in one atomic step.

Every script may be repeated: what was done already by the same token counts as done.
"""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from importlib import resources

from athena.store.lua_constants import with_constants

Arg = str | bytes | int
Command = tuple[Arg, ...]


class Script:
    """A Lua script of the folder `athena/scripts`, with the parts of `scripts/lib` that it needs before it.

    Redis runs these parts anew on each call, so a script gets no more than it uses.

    A script's first writes are deletes: Redis at its memory limit refuses a script whose first write needs
    memory and lets one pass whose first write frees some, so that a full Redis can still finish its jobs.
    """

    def __init__(self, name: str, *parts: str) -> None:
        self.name = name
        self._parts = parts

    @cached_property
    def source(self) -> str:
        """The text that Redis runs."""
        return with_constants(self.text)

    @cached_property
    def text(self) -> str:
        """Its parts, as they are written."""
        folder = resources.files("athena.store") / "lua"
        files = [folder / "lib" / f"{part}.lua" for part in ("keys", *self._parts)]
        files.append(folder / f"{self.name}.lua")
        return "".join(file.read_text(encoding="utf-8") for file in files)

    @cached_property
    def sha(self) -> str:
        """What EVALSHA names it by."""
        return hashlib.sha1(self.source.encode()).hexdigest()

    def call(self, keys: Iterable[str] = (), args: Iterable[Arg] = ()) -> Command:
        """Returns the command that runs the script."""
        keys = tuple(keys)
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


SUBMIT = Script("submit", "clock", "bell", "enroll", "waiting", "meter", "quota", "admission")
REQUEUE = Script("requeue", "clock", "bell", "enroll", "waiting", "meter", "quota", "admission")
TAKE = Script("take", "clock", "bell", "keep", "meter", "tally", "history", "settle")
FOLD = Script("fold", "tally")
SURVEY = Script("survey", "clock", "tally")
TELL = Script("tell", "clock")
START = Script("start", "clock")
PROGRESS = Script("progress")
FINISH = Script("finish", "clock", "keep", "meter", "tally", "history", "settle", "past", "later")
GIVE_BACK = Script("give_back", "clock", "bell", "enroll", "meter", "put_back")
ACQUIT = Script("acquit", "clock", "bell", "enroll", "meter", "past", "put_back")
RECONCILE = Script("reconcile", "clock", "bell", "enroll", "meter", "put_back")
FENCE = Script(
    "fence", "clock", "bell", "enroll", "keep", "meter", "tally", "history", "settle", "past", "put_back"
)
BEAT = Script("beat")
READ = Script("read", "clock", "waiting", "keep", "meter", "tally", "history", "settle")
LEAVE = Script("leave", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
CANCEL = Script("cancel", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
SWEEP = Script(
    "sweep",
    "clock",
    "bell",
    "enroll",
    "keep",
    "meter",
    "versions",
    "tally",
    "history",
    "settle",
    "recall",
    "past",
    "put_back",
)
RECALL = Script("recall", "bell", "enroll", "keep", "recall")
PURGE = Script("purge", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
PAUSE = Script("pause", "bell")
FORGET = Script("forget", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
LIST = Script("list", "clock")
NOTE = Script("note")
PUT_APP = Script("put_app")
KEEP_TRACE = Script("keep_trace", "clock")
COUNT = Script("count")
AUDIT_JOBS = Script("audit/jobs", "clock", "bell", "enroll")
AUDIT_LISTS = Script("audit/lists")
AUDIT_SUMS = Script("audit/sums")
AUDIT_HELD = Script("audit/held")
AUDIT_METERS = Script("audit/meters", "clock", "meter", "versions")
AUDIT_QUEUE = Script("audit/queue", "clock", "bell", "keep", "meter", "tally", "history", "settle")

SCRIPTS = (
    SUBMIT,
    REQUEUE,
    TAKE,
    FOLD,
    SURVEY,
    TELL,
    START,
    PROGRESS,
    FINISH,
    GIVE_BACK,
    ACQUIT,
    RECONCILE,
    FENCE,
    BEAT,
    READ,
    LEAVE,
    CANCEL,
    SWEEP,
    RECALL,
    PURGE,
    PAUSE,
    FORGET,
    LIST,
    NOTE,
    PUT_APP,
    KEEP_TRACE,
    COUNT,
    AUDIT_JOBS,
    AUDIT_LISTS,
    AUDIT_SUMS,
    AUDIT_HELD,
    AUDIT_METERS,
    AUDIT_QUEUE,
)


def script_of(command: Command) -> Script | None:
    """Returns the script of ours that a command runs, for loading it when Redis does not know it."""
    if command[0] != "EVALSHA":
        return None
    return next((script for script in SCRIPTS if script.sha == command[1]), None)


def pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """Returns what Redis lists as field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
