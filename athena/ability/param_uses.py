"""How a wrapper's source uses parameters, which are texts: as conditions, as numbers, as always there."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

#: What may be done with a number and not with a text, or means something else there.
_SUMS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Pow)
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)

TRUTH, NUMBER, PRESENCE = "truth", "number", "presence"


class ParamUse(NamedTuple):
    """One use of a parameter.

    Attributes:
        kind: TRUTH for a condition, NUMBER for arithmetic, PRESENCE for `params[key]`.
    """

    key: str
    kind: str
    line: int


def param_uses(node: ast.AST, names: frozenset[str]) -> Iterator[ParamUse]:
    """Yields the uses in one node, its inner nodes left out; `names` are those that parameters have."""
    for kind, inner in (*_conditions(node), *_operands(node)):
        key = _read_key(inner, names)
        if key is not None:
            yield ParamUse(key, kind, inner.lineno)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        key = _read_key(node, names)
        if key is not None:
            yield ParamUse(key, PRESENCE, node.lineno)


def _conditions(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
        yield TRUTH, node.test
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield TRUTH, node.operand
    elif isinstance(node, ast.BoolOp):
        yield from ((TRUTH, value) for value in node.values)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "bool":
        yield from ((TRUTH, value) for value in node.args)


def _operands(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, _SUMS):
        yield from ((NUMBER, side) for side in (node.left, node.right))
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], _ORDER):
        left, right = node.left, node.comparators[0]
        # A comparison with a text is one of texts.
        yield from ((NUMBER, side) for side, other in ((left, right), (right, left)) if _is_number(other))


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _read_key(node: ast.expr, names: frozenset[str]) -> str | None:
    """Returns the key that `params[key]` or `params.get(key)` reads."""
    if isinstance(node, ast.Subscript):
        owner, key = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        owner, key = node.func.value, node.args[0] if node.args else node
    else:
        return None
    is_read = isinstance(owner, ast.Name) and owner.id in names and isinstance(key, ast.Constant)
    return key.value if is_read and isinstance(key, ast.Constant) and isinstance(key.value, str) else None
