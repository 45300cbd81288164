"""Constants of Lua scripts, written where they are used; pure.

Redis runs a script's text anew on each call. There a constant is a local variable, and each function that
uses it is tied to it when it is made, which of a script's fixed cost was a third. A number or a text that
stands in the code itself costs nothing.
"""

import re

#: A line that names numbers and texts, as `local SUSPECT, AT_ONCE = '2', 1000`.
_LINE = re.compile(r"^local ([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*) = (.+)$", re.MULTILINE)

_VALUE = r"'(?:[^'\\]|\\.)*'|\d+(?: \* \d+)*"
_VALUES = re.compile(rf"(?:{_VALUE})(?:, (?:{_VALUE}))*")

#: Texts and comments, so that no name in them is taken for a constant; then names.
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|--[^\n]*|(?<![.\w])[A-Z][A-Z0-9_]*\b""")


def with_constants(source: str) -> str:
    """Returns a script that does the same, without the variables; its lines keep their numbers.

    Raises:
        ValueError: a constant has two values.
    """
    known: dict[str, str] = {}

    def learn(line: re.Match[str]) -> str:
        names, text = line[1].split(", "), line[2]
        if _VALUES.fullmatch(text) is None:
            # A table, or what has to be worked out.
            return line[0]
        values = re.findall(_VALUE, text)
        for name, value in zip(names, values, strict=True):
            if known.setdefault(name, value) != value:
                raise ValueError(f"{name} is {known[name]} and {value}")
        return ""

    def write(token: re.Match[str]) -> str:
        text = token[0]
        if text.startswith("--"):
            return ""
        value = known.get(text, text)
        return f"({value})" if "*" in value and value is not text else value

    return _TOKEN.sub(write, _LINE.sub(learn, source))
