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
    """A Lua script of the folder `athena/store/lua`, with the parts of `lib` that it needs before it.

    Redis runs these parts anew on each call, so a script gets no more than it uses.

    A script's first writes are deletes: Redis at its memory limit refuses a script whose first write needs
    memory and lets one pass whose first write frees some, so that a full Redis can still finish its jobs.

    Attributes:
        place: its file, without the ending; the folder is that of who calls it, as gateways submit.
        name: the last part of that.
    """

    def __init__(self, place: str, *parts: str) -> None:
        self.place = place
        self.name = place.rpartition("/")[2]
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
        files.append(folder / f"{self.place}.lua")
        return "".join(file.read_text(encoding="utf-8") for file in files)

    @cached_property
    def sha(self) -> str:
        """What EVALSHA names it by."""
        return hashlib.sha1(self.source.encode()).hexdigest()

    def call(self, keys: Iterable[str] = (), args: Iterable[Arg] = ()) -> Command:
        """Returns the command that runs the script."""
        keys = tuple(keys)
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


SUBMIT = Script("submission/submit", "clock", "bell", "enroll", "waiting", "meter", "quota", "admission")
REQUEUE = Script("submission/requeue", "clock", "bell", "enroll", "waiting", "meter", "quota", "admission")
TAKE = Script("lease/take", "clock", "bell", "keep", "meter", "tally", "history", "settle")
FOLD = Script("counts/fold", "tally")
SURVEY = Script("counts/survey", "clock", "tally")
TELL = Script("counts/tell", "clock")
START = Script("lease/start", "clock")
PROGRESS = Script("lease/progress")
FINISH = Script("lease/finish", "clock", "keep", "meter", "tally", "history", "settle", "past", "later")
GIVE_BACK = Script("lease/give_back", "clock", "bell", "enroll", "meter", "put_back")
ACQUIT = Script("lease/acquit", "clock", "bell", "enroll", "meter", "past", "put_back")
RECONCILE = Script("lease/reconcile", "clock", "bell", "enroll", "meter", "put_back")
FENCE = Script(
    "fencing/fence",
    "clock",
    "bell",
    "enroll",
    "keep",
    "meter",
    "tally",
    "history",
    "settle",
    "past",
    "put_back",
)
BEAT = Script("fencing/beat")
READ = Script("submission/read", "clock", "waiting", "keep", "meter", "tally", "history", "settle")
LEAVE = Script("submission/leave", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
CANCEL = Script("submission/cancel", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
SWEEP = Script(
    "fencing/sweep",
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
RECALL = Script("operations/recall", "bell", "enroll", "keep", "recall")
PURGE = Script("operations/purge", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
PAUSE = Script("operations/pause", "bell")
FORGET = Script("operations/forget", "clock", "keep", "meter", "tally", "history", "settle", "abandon")
LIST = Script("operations/list", "clock")
NOTE = Script("operations/note")
PUT_APP = Script("operations/put_app")
KEEP_TRACE = Script("counts/keep_trace", "clock")
COUNT = Script("counts/count")
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
