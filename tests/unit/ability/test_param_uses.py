"""What `athena check` says of parameters that are taken for what they are not."""

import ast
from pathlib import Path

import pytest

from athena.ability.source_check import check_keys
from athena.ability.source_facts import read_facts
from athena.protocol.interface import Interface, Limits, ParamSpec

PARAMS = (
    ParamSpec("flag", "boolean"),
    ParamSpec("size", "integer"),
    ParamSpec("scale", "number", default=1.5),
    ParamSpec("name", required=True),
)
INTERFACE = Interface("a", "v1", "", PARAMS, (), (), ("cpu",), True, Limits())


def rules(line: str) -> list[str]:
    """Returns what is said of a line of `wrapperOnceExec`."""
    source = f"def wrapperOnceExec(params, reqData):\n    {line}\n"
    findings = check_keys(Path("wrapper.py"), read_facts(ast.parse(source)), INTERFACE)
    assert all(finding.line == 2 for finding in findings)
    return sorted({finding.rule for finding in findings})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('if params["flag"]: return', ["param-absent", "param-truth"]),
        ('if params.get("flag"): return', ["param-truth"]),
        ('x = not params.get("flag")', ["param-truth"]),
        ('x = 1 if params.get("flag") else 2', ["param-truth"]),
        ('x = params.get("flag") and y', ["param-truth"]),
        ('x = bool(params.get("flag"))', ["param-truth"]),
        ('x = params.get("flag") == "true"', []),
        ("x = UserRequest.flag.of(params)", []),
        ('if params.get("name"): return', []),
        ('x = params["size"]', ["param-absent"]),
        ('x = params.get("size") * 2', ["param-number"]),
        ('x = params["scale"] / 2', ["param-number"]),
        ('x = params.get("scale") > 0.5', ["param-number"]),
        ('x = float(params["scale"]) / 2', []),
        ('x = params["name"] + "!"', []),
        ('x = params.get("name") == 3', []),
        ('x = params["sid"]', []),
        ('params["size"] = "3"', []),
    ],
)
def test_a_mistake_is_found_and_what_is_right_is_not(line: str, expected: list[str]) -> None:
    assert rules(line) == expected
