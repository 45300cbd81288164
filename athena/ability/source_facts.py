"""What a wrapper's source says about itself: where it names keys, which methods it has, what it calls."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from athena.ability.param_uses import ParamUse, param_uses

#: Names that methods of any SDK version give to the parameters and to the inputs.
_PARAMS = frozenset(("params", "param"))
_INPUTS = frozenset(("reqData", "req", "datas", "reqdata", "reqDatas", "req_data"))

#: Calls without effect: they set handlers for signals, or send signals that a handler would have to hear.
SIGNAL_CALLS = frozenset(("signal.signal", "signal.alarm", "signal.setitimer", "_thread.interrupt_main"))

#: Calls that end or redirect the whole process, or would if they had an effect.
_PROCESS_CALLS = SIGNAL_CALLS | {"os._exit", "os.abort", "os.execv", "os.execve", "os.fork"}


@dataclass(frozen=True)
class Named:
    """A name in the source, and its line."""

    name: str
    line: int


@dataclass
class SourceFacts:
    """Facts about one wrapper.py.

    Attributes:
        names: what the module defines or imports, at its top level.
        methods: of the class `Wrapper`, or functions of the module if there is no such class.
        class_line: of the class `Wrapper`, 0 without one.
        bases: of the class `Wrapper`.
        keys: of fields that are declared, by the name of the class they are declared in.
        outputs: keys that outputs are given, as far as they are literal.
        inputs: keys that inputs are asked for.
        params: keys that parameters are asked for.
        param_uses: where parameters are taken for something else than a text that may be absent.
        process_calls: calls that disturb the worker.
    """

    names: set[str] = field(default_factory=set)
    methods: list[Named] = field(default_factory=list)
    class_line: int = 0
    bases: list[str] = field(default_factory=list)
    keys: dict[str, list[Named]] = field(default_factory=dict)
    outputs: list[Named] = field(default_factory=list)
    inputs: list[Named] = field(default_factory=list)
    params: list[Named] = field(default_factory=list)
    param_uses: list[ParamUse] = field(default_factory=list)
    process_calls: list[Named] = field(default_factory=list)

    def method_line(self, name: str) -> int:
        """Returns where a method is defined; the class's own line, or 0, if it is not."""
        return next((item.line for item in self.methods if item.name == name), self.class_line)

    def key_line(self, key: str) -> int:
        """Returns where a key is declared, 0 if it is not, literally."""
        return next((item.line for keys in self.keys.values() for item in keys if item.name == key), 0)


def read_facts(module: ast.Module) -> SourceFacts:
    """Collects the facts about a parsed wrapper.py."""
    facts = SourceFacts(names=set(_top_level_names(module.body)))
    wrapper = next(
        (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Wrapper"), None
    )
    if wrapper is not None:
        facts.class_line = wrapper.lineno
        facts.bases = [ast.unparse(base) for base in wrapper.bases]
    owner = wrapper.body if wrapper is not None else module.body
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    facts.methods = [Named(node.name, node.lineno) for node in owner if isinstance(node, functions)]
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            facts.keys[node.name] = list(_declared_keys(node))
    for inner in _called_code(module):
        _read_node(inner, facts)
    return facts


def _called_code(node: ast.AST) -> Iterator[ast.AST]:
    """Yields all nodes but those of wrapperTestFunc, which nobody calls."""
    if isinstance(node, ast.FunctionDef) and node.name == "wrapperTestFunc":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _called_code(child)


def _top_level_names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.Try):
            handlers = [item.body for item in getattr(node, "handlers", [])]
            for block in (node.body, node.orelse, *handlers):
                yield from _top_level_names(block)


def _declared_keys(owner: ast.ClassDef) -> Iterator[Named]:
    for statement in owner.body:
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and _called(value).endswith("Field"):
            key = _argument(value, "key")
            if key is not None:
                yield Named(key, value.lineno)


def _read_node(node: ast.AST, facts: SourceFacts) -> None:
    facts.param_uses += param_uses(node, _PARAMS)
    if isinstance(node, ast.Call):
        _read_call(node, facts)
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        if isinstance(node.value, ast.Name) and node.value.id in _PARAMS:
            _note(facts.params, node.slice)
    elif isinstance(node, ast.Assign):
        if any(isinstance(target, ast.Attribute) and target.attr == "key" for target in node.targets):
            _note(facts.outputs, node.value)
    elif isinstance(node, ast.Dict):
        members = {_text(key): value for key, value in zip(node.keys, node.values, strict=True)}
        if {"key", "data"} <= members.keys():
            _note(facts.outputs, members["key"])


def _read_call(node: ast.Call, facts: SourceFacts) -> None:
    called = _called(node)
    if called in _PROCESS_CALLS:
        facts.process_calls.append(Named(called, node.lineno))
    if called.rpartition(".")[2] == "ResponseData":
        key = _argument(node, "key")
        if key:
            facts.outputs.append(Named(key, node.lineno))
    owner, _, method = called.rpartition(".")
    if method == "get" and node.args:
        if owner in _PARAMS:
            _note(facts.params, node.args[0])
        elif owner in _INPUTS:
            _note(facts.inputs, node.args[0])


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""


def _argument(call: ast.Call, name: str) -> str | None:
    """Returns a literal text that is passed by name, or in the first place."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return _text(keyword.value)
    return _text(call.args[0]) if call.args else None


def _text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _note(places: list[Named], node: ast.expr) -> None:
    text = _text(node)
    if text is not None:
        places.append(Named(text, node.lineno))
