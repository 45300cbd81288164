"""Texts that wrappers have written, as one line that JSON, Redis, logs and terminals take.

Nothing here raises, whatever the classes of wrappers do when they are asked for a text.
"""

import re

#: Longer texts are cut: nobody reads on, and each is kept in Redis, sent to a caller and written to logs.
MAX_CHARS = 4000

#: What a wrapper's object says of itself is part of such a line.
MAX_VALUE_CHARS = 2000

#: Controls, ends of lines, marks that turn the direction of what follows, and halves of surrogate pairs.
_UNFIT = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES = re.compile(f"[{_UNFIT}]")
_IN_TEXTS = re.compile(f"(?![\t\n])[{_UNFIT}]")

#: So many of a chain of exceptions are told.
MAX_CAUSES = 4

_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-fA-F]{6,16}")

#: A metaclass may define `__name__` of its classes; this reads the one that they were made with.
_class_name = type.__dict__["__name__"].__get__


def plain_line(text: str, max_chars: int = MAX_CHARS) -> str:
    """Returns a text as one line; what cannot be shown is escaped, and what is too much is counted."""
    # Methods of `str` itself: a subclass may have others.
    size = str.__len__(text)
    # More than is shown, as runs of blanks become one; not all, for it may be huge.
    head = str.__getitem__(text, slice(4 * max_chars))
    line = _IN_LINES.sub(_escaped, " ".join(head.split()))
    if size > 4 * max_chars or len(line) > max_chars:
        return f"{line[:max_chars]}… ({size} characters)"
    return line


def clipped(text: str, max_chars: int) -> str:
    """Returns a text as it is, or its beginning; `…` stands for what was cut."""
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"


def plain_lines(text: str, max_chars: int) -> str:
    """Returns a text with its line breaks; of one that is too long, the beginning and the end."""
    if len(text) > max_chars:
        half = max_chars // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters …\n{text[-half:]}"
    return text if text.isprintable() else _IN_TEXTS.sub(_escaped, text)


def text_of(value: object) -> str:
    """Returns `str(value)` as one line, or what hindered it."""
    try:
        return plain_line(str(value), MAX_VALUE_CHARS)
    # A wrapper's `__str__` may raise anything, SystemExit included.
    except BaseException as error:
        return f"{class_name(value)} whose text cannot be had ({class_name(error)})"


def class_name(value: object) -> str:
    """Returns the name of a value's class."""
    # `type`, because a class may say anything of its `__class__`.
    return plain_line(_class_name(type(value)), 200)


def one_line(error: BaseException) -> str:
    """Returns an exception as one line for callers and operators: `ValueError: too dark`; never raises."""
    # Where an object lies in memory is nobody's business, and another place each time.
    text, name = _ADDRESS.sub("", text_of(error)), class_name(error)
    return f"{name}: {text}" if text else name


def with_causes(error: BaseException) -> str:
    """Returns an exception as one line, with those that it was raised from."""
    lines, seen = [one_line(error)], {id(error)}
    cause = _cause(error)
    while cause is not None and id(cause) not in seen and len(lines) < MAX_CAUSES:
        seen.add(id(cause))
        lines.append(one_line(cause))
        cause = _cause(cause)
    return ", caused by ".join(lines)


def _cause(error: BaseException) -> BaseException | None:
    # The one that Python keeps: a class may define `__cause__` of its own.
    cause: BaseException | None = BaseException.__dict__["__cause__"].__get__(error)
    return cause


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode()
