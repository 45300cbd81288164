"""Whatever a wrapper returns, raises or puts in a batch: each job has an outcome that Redis takes."""

import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hiredis import pack_command

from athena.ability.manifest import load_ability
from athena.errors import AthenaError, ConfigError
from athena.fleet.progress_board import ProgressBoard
from athena.jobs.message import make_message
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.sdk import Response, ResponseData
from athena.store.lease import finish_command
from athena.telemetry.log_fields import LogFields
from athena.telemetry.log_lines import TextFormatter
from workers.batching.batcher import Batcher
from workers.batching.jobs import BatchJob
from workers.batching.model import BatchOptions, Model
from workers.runtime.batch_trust import BatchTrust
from workers.runtime.inference import Inference

SOURCE = """
from athena.sdk import StringBodyField, WrapperBase

class UserRequest:
    text = StringBodyField(key="text")

class Wrapper(WrapperBase):
    requestCls = UserRequest()
    made = {}

    def wrapperInit(self, config):
        return 0

    def wrapperError(self, code):
        return self.make("error_text")

    def wrapperLoadRes(self, reqData, resId):
        return self.make("resource")

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        return self.make(params["sid"])

    def wrapperBatchExec(self, params_list, req_list):
        if "batch" in self.made:
            return self.make("batch")
        return [self.make(params["sid"]) for params in params_list]

    def make(self, name):
        return self.made[name]() if name in self.made else 0
"""


class Hostile(BaseException):
    """Raises at whatever is done with it; also an exception to raise."""

    def __init__(self, error: type[BaseException] = SystemExit) -> None:
        super().__init__()
        self.error = error

    def __getattribute__(self, name: str) -> Any:
        if name in ("error", "__init__", "with_traceback", "__traceback__"):
            return super().__getattribute__(name)
        raise super().__getattribute__("error")

    def _fail(self, *_: Any) -> Any:
        raise super().__getattribute__("error")

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __hash__ = __eq__ = __format__ = __index__ = _fail


class LyingList(list[Any]):
    """Says it is longer than it is."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class Shell(str):
    """A text with methods of its own."""

    def encode(self, *_: Any) -> bytes:
        raise KeyboardInterrupt


def response(key: Any = "text", data: Any = "fine", code: Any = 0, type: Any = 0) -> Response:
    item = ResponseData("text", "fine")
    item.key, item.type, item._data = key, type, data
    made = Response()
    made.list, made.error_code = [item], code
    return made


def with_list(items: Any) -> Response:
    made = Response()
    made.list = items
    return made


def throw(error: Any) -> Any:
    raise error


def released() -> memoryview:
    view = memoryview(b"x")
    view.release()
    return view


#: Values and exceptions by name: which one it was has to be shown, and that they do not stand.
VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "surrogate": lambda: "\ud83d",
    "long": lambda: "x" * 100_000,
    "negative": lambda: -1,
    "huge": lambda: 10**5000,
    "nan": lambda: float("nan"),
    "bytes": lambda: b"\xff",
    "list": list,
    "dict": dict,
    "object": object,
    "array": lambda: np.array([1, 2]),
    "numpy number": lambda: np.int64(3),
    "numpy text": lambda: np.str_("text"),
    "hostile": Hostile,
    "recursive": lambda: Hostile(RecursionError),
    "shell": lambda: Shell("text"),
    "lying list": LyingList,
    "class": lambda: Hostile,
    "released": released,
}
ERRORS: dict[str, Callable[[], BaseException]] = {
    "surrogate": lambda: ValueError("\ud83d"),
    "key": lambda: KeyError("\ud83d"),
    "interrupt": KeyboardInterrupt,
    "exit": lambda: SystemExit(3),
    "generator exit": GeneratorExit,
    "memory": MemoryError,
    "stop": lambda: StopIteration(1),
    "group": lambda: ExceptionGroup("\ud83d", [ValueError("x" * 10**5)]),
    "ours": lambda: AthenaError("\ud83d"),
    "ours, odd text": lambda: ConfigError(Hostile()),  # type: ignore[arg-type]
    "ours, odd code": lambda: AthenaError("mine", code=Hostile()),  # type: ignore[arg-type]
    "hostile": Hostile,
    "hostile interrupt": lambda: Hostile(KeyboardInterrupt),
}
#: Where a value may be.
PLACES: dict[str, Callable[[Any], Any]] = {
    "answer": lambda value: value,
    "key": lambda value: response(key=value),
    "data": lambda value: response(data=value),
    "code": lambda value: response(code=value),
    "type": lambda value: response(type=value),
    "outputs": with_list,
    "output": lambda value: with_list([value]),
    "raised": throw,
}
Answer = tuple[str, tuple[str, str]]
#: All of them: a few that are drawn leave out what matters now and then.
ANSWERS: list[Answer] = [
    *((place, ("value", name)) for place in PLACES for name in VALUES),
    *((place, ("error", name)) for place in ("answer", "raised") for name in ERRORS),
]


def make(answer: Answer) -> Callable[[], Any]:
    """Returns what the wrapper does for one of the answers."""
    place, (kind, name) = answer
    return lambda: PLACES[place]((VALUES if kind == "value" else ERRORS)[name]())


class Room:
    """The ability in this process, behind a batcher with one thread."""

    def __init__(self, folder: Path) -> None:
        (folder / "wrapper.py").write_text(SOURCE)
        (folder / "ability.toml").write_text('service_id = "a"\n[worker]\nmax_batch = 3\nslots = 8\n')
        self._inference = inference = Inference(load_ability(folder), lambda job_id: None)
        board = ProgressBoard.create(1, 3)
        model = Model(inference.load, inference.batch_key, inference.run, inference.unload)
        self._has_ended = threading.Event()
        options = BatchOptions(max_batch=3, max_wait_ms=200)
        self.batcher = Batcher(model, options, board, self._has_ended.set)
        self.batcher.start()
        self.batcher.loaded.result(60)

    @property
    def made(self) -> dict[str, Callable[[], Any]]:
        found: dict[str, Callable[[], Any]] = sys.modules["wrapper"].Wrapper.made
        return found

    def run(
        self, made: dict[str, Callable[[], Any]], *job_ids: str, resource: str = ""
    ) -> dict[str, Outcome]:
        # After some answers like these no batches would be run any more.
        self._inference.dispatcher.trust = BatchTrust(lambda reason: None)
        self.made.clear()
        self.made.update(made)
        for job_id in job_ids:
            message, _ = make_message(job_id, "a", {}, [], {}, 1000, resource_id=resource)
            self.batcher.put(BatchJob(job_id, message))
        ended: list[BatchJob] = []
        while len(ended) < len(job_ids):
            assert self._has_ended.wait(60), "the thread stands still"
            self._has_ended.clear()
            ended += self.batcher.collect()
        return {job.job_id: job.outcome for job in ended if job.outcome is not None}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("hostile")
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.delitem(sys.modules, "wrapper", raising=False)
        # pytest's own handlers stand such exceptions less well than ours.
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(TextFormatter(LogFields()))
        patch.setattr(logging.getLogger("workers"), "handlers", [handler])
        patch.setattr(logging.getLogger("workers"), "propagate", False)
        room = Room(folder)
        yield room
        room.batcher.close()
        assert room.batcher.join(60)


def write(outcome: Outcome) -> None:
    """What the session does with an outcome."""
    assert len(outcome.message) < 5000
    assert type(outcome.code) is int
    pack_command(finish_command("w", "cpu", "n", [("j", "1:w", outcome)]))  # type: ignore[arg-type]


@contextmanager
def naming(answer: Answer) -> Iterator[None]:
    """Says of an error which answer it came of."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the wrapper's answer was {answer}")
        raise


@pytest.mark.parametrize("shift", range(2))
def test_an_odd_job_has_an_outcome_and_its_neighbours_succeed(room: Room, shift: int) -> None:
    texts = islice(cycle(VALUES), shift, None)
    for answer, text in zip(ANSWERS, texts, strict=False):
        made = {"j1": make(answer), "j2": response, "j3": response, "error_text": VALUES[text]}
        with naming(answer):
            outcomes = room.run(made, "j1", "j2", "j3")

            write(outcomes["j1"])
            assert outcomes["j2"].state is outcomes["j3"].state is JobState.SUCCEEDED


@pytest.mark.parametrize("text", VALUES)
def test_odd_words_for_a_code_fail_their_job(room: Room, text: str) -> None:
    made = {"j1": lambda: response(code=7), "j2": response, "j3": response, "error_text": VALUES[text]}

    outcomes = room.run(made, "j1", "j2", "j3")

    write(outcomes["j1"])
    assert outcomes["j1"].state is JobState.FAILED
    assert outcomes["j2"].state is JobState.SUCCEEDED


def test_an_odd_answer_to_a_whole_batch_ends_all_its_jobs(room: Room) -> None:
    for answer in ANSWERS:
        with naming(answer):
            for outcome in room.run({"batch": make(answer)}, "j1", "j2", "j3").values():
                write(outcome)


def test_a_resource_that_cannot_be_loaded_fails_its_job(room: Room) -> None:
    for answer in ANSWERS:
        with naming(answer):
            write(room.run({"resource": make(answer)}, "j1", resource="r")["j1"])


def test_a_batch_after_all_of_them_is_answered(room: Room) -> None:
    outcomes = room.run({"j1": response, "j2": response, "j3": response}, "j1", "j2", "j3")

    assert {outcome.state for outcome in outcomes.values()} == {JobState.SUCCEEDED}
