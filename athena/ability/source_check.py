"""Checks a wrapper.py against the contract without running it."""

import ast
import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from athena.ability.findings import Finding, Severity
from athena.ability.neighbours import clashes
from athena.ability.param_uses import NUMBER, PRESENCE, TRUTH, ParamUse
from athena.ability.source_facts import SIGNAL_CALLS, Named, SourceFacts, read_facts
from athena.protocol.checks.schema import HINTS
from athena.protocol.interface import Interface, ParamSpec

#: Methods of the contract.
METHODS = (
    "wrapperInit",
    "wrapperFini",
    "wrapperOnceExec",
    "wrapperOnceExecAsync",
    "wrapperBatchExec",
    "wrapperError",
    "wrapperLoadRes",
    "wrapperUnloadRes",
    "wrapperCreate",
    "wrapperWrite",
    "wrapperRead",
    "wrapperDestroy",
    "wrapperTestFunc",
    "wrapperVersion",
    "wrapperSetCtrl",
    "wrapperDebugInfo",
    "wrapperExec",
    "wrapperExecFree",
    "wrapperExecAsync",
)

ANSWERING = frozenset(("wrapperOnceExec", "wrapperOnceExecAsync", "wrapperCreate"))

#: Parameters that are there although no wrapper declares them.
GIVEN_PARAMS = frozenset(("sid", *HINTS))


def check_source(path: Path) -> tuple[SourceFacts, list[Finding]]:
    """Reads a wrapper.py; returns what it says and what is wrong with it by itself."""
    try:
        module = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        finding = Finding(
            Severity.ERROR,
            "syntax",
            f"this is not Python: {error.msg}",
            "correct the line, or the one before it",
            str(path),
            error.lineno or 0,
        )
        return SourceFacts(), [finding]
    except (RecursionError, MemoryError):
        finding = Finding(
            Severity.ERROR,
            "too-deep",
            "an expression is nested more deeply than Python reads",
            "break it up; keep large tables in a file of data",
            str(path),
        )
        return SourceFacts(), [finding]
    except (OSError, ValueError) as error:
        finding = Finding(
            Severity.ERROR, "unreadable", f"the file cannot be read: {error}", "save it as UTF-8", str(path)
        )
        return SourceFacts(), [finding]
    facts = read_facts(module)
    found = [*_shape(path, facts), *_misspelt(path, facts), *_process_calls(path, facts), *_clashes(path)]
    return facts, found


def check_keys(path: Path, facts: SourceFacts, interface: Interface) -> list[Finding]:
    """Compares the keys that the source names with those that the ability declares."""
    findings = [*_twice(path, facts)]
    if interface.is_permissive:
        return findings
    outputs = [spec.key for spec in interface.outputs]
    inputs = [spec.key for spec in interface.inputs]
    params = [spec.key for spec in interface.params]
    renamed = [spec.replace_key for spec in interface.params if spec.replace_key]
    if outputs:
        findings += _undeclared(path, facts.outputs, outputs, "output", "responseCls")
    if inputs:
        findings += _undeclared(path, facts.inputs, inputs, "input", "requestCls")
    known = [*params, *renamed, *interface.header_params]
    asked = [item for item in facts.params if item.name not in GIVEN_PARAMS]
    findings += _undeclared(path, asked, known, "parameter", "requestCls")
    specs = {spec.key: spec for spec in interface.params}
    for use in facts.param_uses:
        if use.key in specs:
            findings += _mistaken(path, use, specs[use.key])
    return findings


def _shape(path: Path, facts: SourceFacts) -> Iterator[Finding]:
    names = {item.name for item in facts.methods}
    if not facts.class_line and "Wrapper" not in facts.names and "wrapperOnceExec" not in facts.names:
        yield Finding(
            Severity.ERROR,
            "no-wrapper",
            "the file defines neither a class Wrapper nor a function wrapperOnceExec",
            "derive a class Wrapper from athena.sdk.WrapperBase; `athena create` writes one",
            str(path),
        )
    # A base class of the author's own may have the method; nobody looks for it here.
    inherits_more = any(base.rpartition(".")[2] not in ("WrapperBase", "object") for base in facts.bases)
    if facts.class_line and not names & ANSWERING and not inherits_more:
        yield Finding(
            Severity.ERROR,
            "no-exec",
            "the class Wrapper has no wrapperOnceExec; it is what answers a request",
            "add: def wrapperOnceExec(self, params, reqData, usrTag='', persId=0): ...",
            str(path),
            facts.class_line,
        )


def _misspelt(path: Path, facts: SourceFacts) -> Iterator[Finding]:
    for item in facts.methods:
        if item.name.lower().startswith("wrapper") and item.name not in METHODS:
            close = difflib.get_close_matches(item.name, METHODS, 1)
            hint = f"did you mean {close[0]}?" if close else f"the contract has: {', '.join(METHODS[:12])}"
            yield Finding(
                Severity.WARNING,
                "unknown-method",
                f"{item.name} is no method of the contract, so nobody calls it",
                hint,
                str(path),
                item.line,
            )


def _process_calls(path: Path, facts: SourceFacts) -> Iterator[Finding]:
    for item in facts.process_calls:
        if item.name in SIGNAL_CALLS:
            yield Finding(
                Severity.NOTE,
                "signal-handler",
                f"{item.name} has no effect: signals belong to the worker, and handlers are ignored",
                "limits.max_exec_s of ability.toml limits a call; wrapperFini is called at shutdown",
                str(path),
                item.line,
            )
        else:
            yield Finding(
                Severity.WARNING,
                "ends-process",
                f"{item.name} ends or replaces the worker process, and fails the jobs that it holds",
                "return an error code, or raise an exception, to end a job",
                str(path),
                item.line,
            )


def _clashes(path: Path) -> Iterator[Finding]:
    for clash in clashes(path):
        severity = Severity.WARNING if clash.is_standard else Severity.ERROR
        yield Finding(severity, "taken-name", clash.text, clash.remedy, str(clash.file), clash.line)


def _twice(path: Path, facts: SourceFacts) -> Iterator[Finding]:
    for owner, keys in facts.keys.items():
        seen: dict[str, int] = {}
        for item in keys:
            if item.name in seen:
                yield Finding(
                    Severity.ERROR,
                    "duplicate-key",
                    f"{owner} declares {item.name!r} twice (first in line {seen[item.name]})",
                    "give each field a key of its own",
                    str(path),
                    item.line,
                )
            seen.setdefault(item.name, item.line)


def _mistaken(path: Path, use: ParamUse, spec: ParamSpec) -> Iterator[Finding]:
    """Yields what is wrong with a use of a parameter, which reaches the wrapper as a text."""
    of = f"read it with its type, as UserRequest.{use.key}.of(params)"
    is_number = spec.json_type in ("integer", "number")
    if use.kind == TRUTH and spec.json_type == "boolean":
        text = f'parameter {use.key!r} is a text, and "false" counts as true in a condition'
        yield Finding(Severity.WARNING, "param-truth", text, of, str(path), use.line)
    elif use.kind == NUMBER and is_number:
        text = f'parameter {use.key!r} is a text, as "3", with which nothing is computed'
        yield Finding(Severity.WARNING, "param-number", text, of, str(path), use.line)
    elif use.kind == PRESENCE and not spec.required and spec.default is None:
        text = f"parameter {use.key!r} is not required and has no default, so a request without it fails"
        remedy = f"{of}, give it a default=, or say required=True"
        yield Finding(Severity.WARNING, "param-absent", text, remedy, str(path), use.line)


def _undeclared(
    path: Path, used: Iterable[Named], declared: list[str], what: str, where: str
) -> Iterator[Finding]:
    for item in used:
        if item.name not in declared:
            close = difflib.get_close_matches(item.name, declared, 1)
            listed = f"declared are: {', '.join(declared)}" if declared else "none is declared"
            hint = f"did you mean {close[0]!r}?" if close else f"declare it in {where}"
            yield Finding(
                Severity.WARNING,
                f"undeclared-{what}",
                f"{what} {item.name!r} is not declared, so "
                + ("an answer with it is refused" if what == "output" else "no request can hold it"),
                f"{hint}; {listed}",
                str(path),
                item.line,
            )
