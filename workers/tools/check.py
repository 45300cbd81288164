"""Rehearses an ability and reports what is to be said of it: `python -m workers.tools.check DIR THREADS`.

Started by `athena check`, in a process of its own. Each line of the output is a JSON object: a step that
begins, a step that has ended, an output, or a finding.
"""

import os
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from athena.ability.findings import Finding, Severity
from athena.ability.manifest import Ability, load_ability
from athena.ability.source_check import check_keys, check_source
from athena.errors import AthenaError, ConfigError
from athena.jobs.record import Outcome
from athena.plain_text import MAX_CAUSES, one_line
from athena.protocol.enums import JobState
from athena.sdk.data import as_bytes
from athena.telemetry.logs import configure_logs
from workers.runtime.event_loops import event_loop
from workers.runtime.places import is_own_file, read_place
from workers.runtime.process.guards import install_guards
from workers.runtime.process.surroundings import present_folder
from workers.runtime.sessions.share import SessionShare
from workers.tools.batch_trial import BatchTrial
from workers.tools.describe import end_process, real_stdout
from workers.tools.imported import imported_packages
from workers.tools.memory import MemoryWatch, load_as_a_worker
from workers.tools.model_files import models_in, with_dynamic_quantisation
from workers.tools.rehearsal import Measured, Rehearsal, measure, take_share

#: The example is answered so often, unless that takes too long.
MAX_RUNS = 6
MAX_RUNS_S = 3.0

#: Growth over the later runs that is worth a second look, and, when it goes on, a word.
GROWTH_BYTES = 20_000_000


class StepFailed(Exception):
    """A step failed, and it has been reported."""


class Check:
    """One check of an ability; `descriptor` takes each line of the output."""

    def __init__(self, ability: Ability, descriptor: int, share: SessionShare) -> None:
        self._ability = ability
        self._descriptor = descriptor
        self._rehearsal = Rehearsal(ability)
        self._facts, _ = check_source(ability.wrapper_path)
        self._threads = set(threading.enumerate())
        self._share = share
        self._memory = MemoryWatch()
        self._largest_batch = 1

    def run(self) -> None:
        """Loads, asks and releases the ability; stops at the first step that fails."""
        self._memory.begin()
        try:
            self._step("import", self._rehearsal.load, "import-failed", "correct what the line above shows")
            self._report_interface()
            self._step("wrapperInit", self._rehearsal.inference.init, "init-failed", "see wrapperInit")
            self._memory.note_loaded()
        except StepFailed:
            return
        try:
            self._ask()
        finally:
            self._say(**self._memory.told(self._largest_batch))
            _, cost = measure(self._rehearsal.inference.unload)
            self._say_done("wrapperFini", cost)
            self._report_sessions()
            self._look_around()

    def _step(self, name: str, step: Any, rule: str, remedy: str) -> None:
        self._say(begin=name)
        try:
            _, cost = measure(step)
        except BaseException as error:
            self._finding(self._failure(name, rule, error, remedy))
            raise StepFailed from None
        self._say_done(name, cost)

    def _failure(self, name: str, rule: str, error: BaseException, remedy: str) -> Finding:
        cause = error.__cause__ or error
        file, line = self._place_of(cause, name)
        missing = _missing_module(cause)
        if missing:
            rule = "missing-module"
            remedy = f"install it, and name it in requirements.txt: pip install {missing}"
        text = error.message if isinstance(error, AthenaError) else one_line(error)
        return Finding(Severity.ERROR, rule, text, remedy, file, line)

    def _place_of(self, error: BaseException, step: str) -> tuple[str, int]:
        """Returns the innermost line of the ability's own code that an error passed, else the step's."""
        folder = str(self._ability.path)
        frames = traceback.extract_tb(error.__traceback__)
        own = [item for item in frames if is_own_file(item.filename, folder)]
        # A file that cannot be parsed has no frame; its place is in the error.
        if isinstance(error, SyntaxError) and error.filename:
            return error.filename, error.lineno or 0
        if own:
            return own[-1].filename, own[-1].lineno or 0
        return str(self._ability.wrapper_path), 0 if step == "import" else self._facts.method_line(step)

    def _report_interface(self) -> None:
        interface = self._rehearsal.inference.interface
        self._say(service_id=interface.service_id, version=interface.version)
        for item in imported_packages(self._ability.wrapper_path):
            self._say(**asdict(item))
        for finding in check_keys(self._ability.wrapper_path, self._facts, interface):
            self._finding(finding)
        if interface.is_permissive:
            self._note(
                "declares-nothing",
                "the wrapper declares no requestCls and responseCls, so every request is accepted",
                "declare them: callers get errors that name the place, and documents",
                str(self._ability.wrapper_path),
                self._facts.class_line,
            )

    def _ask(self) -> None:
        try:
            example = self._rehearsal.example()
        except AthenaError as error:
            self._bad_example(error)
            return
        if example is None:
            self._no_example("and the fields have no test data, so nothing was answered")
            return
        if self._rehearsal.inference.interface.example is None:
            self._no_example("so the test data of the fields was taken; a worker would start without a test")
        self._say(begin="first answer")
        first = self._answer(example)
        if first is None:
            return
        self._say_done("first answer", first)
        self._report_outputs()
        costs = list(self._answer_again(example))
        if costs:
            typical = Measured(statistics.median(item.seconds for item in costs), 0)
            self._say_done("next answers", typical, count=len(costs))
        if _grown_bytes(costs[1:]) > GROWTH_BYTES:
            self._look_for_growth(example, costs[1:])
        if costs and self._ability.worker.max_batch > 1 and self._rehearsal.inference.dispatcher.runs_batches:
            self._try_batches(example)

    def _try_batches(self, example: Any) -> None:
        """Compares answers in batches with answers alone."""
        options = self._ability.worker
        trial = BatchTrial(self._rehearsal.inference, options.max_batch, options.batch_tolerance)
        self._say(begin="batches")
        found, cost = measure(lambda: list(trial.run(example)))
        trial.fill()
        self._largest_batch = trial.largest
        self._say_done("batches", cost, count=trial.count)
        line = self._facts.method_line("wrapperBatchExec")
        for item in found:
            self._finding(Finding(*item, str(self._ability.wrapper_path), line))
        models = {
            *models_in(self._ability.path),
            *(Path(item.path) for item in self._share.opened if item.path),
        }
        for path in with_dynamic_quantisation(sorted(models)):
            self._note(
                "batch-quantised",
                f"{path.name} quantises activations as it runs, with one scale for all inputs of a call, and "
                "the ability batches: the answer to a quiet input depends on a loud neighbour",
                "take the model in float32 or float16, or with quantised weights alone; or run jobs alone",
                str(path),
            )

    def _look_for_growth(self, example: Any, before: Sequence[Measured]) -> None:
        """Asks again after memory has grown: what fills up once, as an allocator's pools do, is no leak."""
        costs = list(self._answer_again(example))
        if _grown_bytes(costs) <= GROWTH_BYTES:
            return
        grown_mb = _grown_bytes([*before, *costs]) // 1_000_000
        self._about_answers(
            Severity.WARNING,
            "memory-grows",
            f"memory grew by {grown_mb} MB over {len(before) + len(costs)} equal requests, to the last",
            "look for what each call keeps: lists of the class, caches without a limit",
        )

    def _answer_again(self, example: Any) -> Iterator[Measured]:
        deadline_s = time.monotonic() + MAX_RUNS_S
        for _ in range(MAX_RUNS - 1):
            if time.monotonic() > deadline_s:
                return
            cost = self._answer(example)
            if cost is None:
                return
            yield cost

    def _answer(self, example: Any) -> Measured | None:
        try:
            outcome, cost = measure(lambda: self._rehearsal.answer(example))
        except AthenaError as error:
            self._bad_example(error)
            return None
        if outcome.state is JobState.SUCCEEDED:
            return cost if self._is_golden(outcome) else None
        self._not_answered(outcome)
        return None

    def _not_answered(self, outcome: Outcome) -> None:
        """Points to the line that raised, or to the method, if it raised nothing."""
        place = read_place(outcome.place)
        self._about_answers(
            Severity.ERROR,
            "not-answered",
            f"the example was not answered: {outcome.message} (code {outcome.code})",
            "the output above shows the traceback, if the wrapper raised",
            (str(self._ability.path / place[0]), place[1]) if place else None,
        )

    def _is_golden(self, outcome: Outcome) -> bool:
        """Whether the answer is the right one, as far as the folder says which that is."""
        inference = self._rehearsal.inference
        place = inference.wrong_place(outcome) if inference.has_example else ""
        if place:
            self._about_answers(
                Severity.ERROR,
                "not-golden",
                f"the answer to the example is not that of {self._ability.golden_path.name} at {place}",
                "mend the one or the other, or take the file away: no worker starts that answers otherwise",
            )
        return not place

    def _bad_example(self, error: AthenaError) -> None:
        path = self._ability.example_path
        self._finding(
            Finding(
                Severity.ERROR,
                "bad-example",
                f"the example is no valid request: {error.summary}",
                "`athena schema DIR` prints what is accepted",
                str(path if path.exists() else self._ability.wrapper_path),
            )
        )

    def _no_example(self, consequence: str) -> None:
        self._note(
            "no-example",
            f"there is no example.json, {consequence}",
            "write one: a worker answers it before it counts as ready, and documents show it",
            str(self._ability.path),
        )

    def _report_outputs(self) -> None:
        response = self._rehearsal.last_response
        if response is None:
            return
        interface = self._rehearsal.inference.interface
        emitted = set()
        for item in response.list or ():
            emitted.add(item.key)
            size = len(as_bytes(item.data))
            type = interface.output_types.get(item.key, item.type)
            self._say(output=item.key, type=type, bytes=size)
            for finding in self._output_findings(item, size):
                self._finding(finding)
        for key in interface.output_types.keys() - emitted:
            self._note(
                "output-not-seen",
                f"the answer to the example has no output {key!r}, which is declared",
                "make the example ask for it, or delete the declaration",
                str(self._ability.wrapper_path),
                self._facts.key_line(key),
            )

    def _output_findings(self, item: Any, size: int) -> Iterator[Finding]:
        types = self._rehearsal.inference.interface.output_types
        file, line = str(self._ability.wrapper_path), self._facts.method_line("wrapperOnceExec")
        line = next((place.line for place in self._facts.outputs if place.name == item.key), line)
        if item.key in types and item.type != types[item.key]:
            yield Finding(
                Severity.WARNING,
                "other-type",
                f"output {item.key!r} has type {item.type}, but is declared with {types[item.key]}",
                f"set type={types[item.key]}; callers get the declared type",
                file,
                line,
            )
        if item.len not in (size, len(item.data)):
            yield Finding(
                Severity.WARNING,
                "wrong-length",
                f"output {item.key!r} says len {item.len}, but has {size} bytes",
                "leave len alone: it follows data by itself",
                file,
                line,
            )

    def _report_sessions(self) -> None:
        for opened in dict.fromkeys(self._share.opened):
            self._say(session=str(opened), **asdict(opened))

    def _look_around(self) -> None:
        for what in self._rehearsal.changed:
            self._note(
                "changes-process",
                f"a call has changed {what}, which all calls share",
                "leave it as it was; a worker puts it back after each call",
                str(self._ability.wrapper_path),
                self._facts.method_line("wrapperOnceExec"),
            )
        folder = present_folder()
        if folder != str(self._ability.path):
            self._note(
                "changes-folder",
                f"the wrapper left the working directory at {folder or 'a folder that is gone'}",
                "open files by a full path instead of changing directory",
                str(self._ability.wrapper_path),
            )
        left = [item.name for item in threading.enumerate() if item not in self._threads]
        if left:
            self._note(
                "threads-left",
                f"threads still run after wrapperFini: {', '.join(left)}",
                "end them in wrapperFini; the worker ends with its process what is left",
                str(self._ability.wrapper_path),
                self._facts.method_line("wrapperFini"),
            )

    def _about_answers(
        self, severity: Severity, rule: str, text: str, remedy: str, place: tuple[str, int] | None = None
    ) -> None:
        method = str(self._ability.wrapper_path), self._facts.method_line("wrapperOnceExec")
        self._finding(Finding(severity, rule, text, remedy, *(place or method)))

    def _note(self, rule: str, text: str, remedy: str, file: str, line: int = 0) -> None:
        self._finding(Finding(Severity.NOTE, rule, text, remedy, file, line))

    def _finding(self, finding: Finding) -> None:
        self._say(finding=finding.encode())

    def _say_done(self, name: str, cost: Measured, **more: Any) -> None:
        self._say(done=name, seconds=cost.seconds, grown_bytes=cost.grown_bytes, **more)

    def _say(self, **members: Any) -> None:
        os.write(self._descriptor, orjson.dumps(members) + b"\n")


def _missing_module(error: BaseException | None) -> str:
    """Returns the module that is missing, by an exception or one that it was raised from; "" if none is."""
    for _ in range(MAX_CAUSES):
        if isinstance(error, ModuleNotFoundError):
            return error.name or ""
        error = error.__cause__ if error is not None else None
    return ""


def _grown_bytes(costs: Sequence[Measured]) -> int:
    return sum(item.grown_bytes for item in costs)


def main(arguments: Sequence[str]) -> int:
    """Checks the ability in a folder; returns the exit status."""
    install_guards()
    configure_logs("WARNING")
    ability = load_ability(Path(arguments[0]))
    load_as_a_worker()
    share = take_share(ability, int(arguments[1]))
    with real_stdout() as descriptor:
        # Wrappers run outside the main thread in a worker, too.
        thread = threading.Thread(target=_run, args=(ability, descriptor, share), name="check", daemon=True)
        thread.start()
        thread.join()
    return 0


def _run(ability: Ability, descriptor: int, share: SessionShare) -> None:
    check = Check(ability, descriptor, share)
    try:
        with event_loop():
            check.run()
    except ConfigError as error:
        print(error.message, file=sys.stderr)


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
