"""What can be read from a wrapper.py without running it."""

import ast
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WrapperSource:
    """The texts that the class `Wrapper` gives itself; "" where it gives none, or only when it runs."""

    service_id: str = ""
    version: str = ""


def read_wrapper_source(path: Path) -> WrapperSource:
    """Reads a wrapper's file. One that is no Python says nothing here: its worker will say why."""
    try:
        module = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return WrapperSource()
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == "Wrapper":
            texts = _texts(node)
            return WrapperSource(texts.get("serviceId", ""), texts.get("version", ""))
    return WrapperSource()


def _texts(wrapper: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for statement in wrapper.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found.update({target.id: value.value for target in targets if isinstance(target, ast.Name)})
    return found
