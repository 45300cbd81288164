"""How wide and how deep a request may be: looked at before its schema, which costs far more for each member.

A schema makes an error of each wrong member. So no place of a request may hold many more members than can be
right there, and all of it no more than a gateway looks through without being missed.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from marshmallow import INCLUDE, Schema, fields

from athena.errors import Problem, RequestError
from athena.plain_text import clipped
from athena.protocol.checks.fields import ObjectOf

#: Objects and lists inside each other.
MAX_DEPTH = 32

#: Members of objects and items of lists, in all of a request.
MAX_VALUES = 20_000

#: Members of an object that may have any.
MAX_MEMBERS = 1000

#: Items of a list that a schema judges.
MAX_ITEMS = 1000

#: A text with fewer commas is not counted.
FEW_COMMAS = 100

#: Inputs of an ability that declares none.
MAX_INPUTS = 256

#: Unknown members that are still named one by one, beside as many as the schema knows.
SPARE_MEMBERS = 100

#: What JSON writers and parsers other than Python's hold without loss.
MIN_WHOLE, MAX_WHOLE = -(2**63), 2**64 - 1

#: From here on a float may be a whole number that its parser has rounded.
ROUNDED = 2.0**63

#: Characters of a JSON pointer in an answer; a caller chooses names of any length.
POINTER_LENGTH = 200

#: So much of a text is looked through at a time: there is an end once there is too much.
BLOCK_BYTES = 65_536

Container = dict[str, Any] | list[Any]
CONTAINERS = frozenset((dict, list))

#: Yields what is too wide in a value, which lies at the JSON pointer.
WidthCheck = Callable[[Any, str], Iterable[Problem]]


def pointer_to(parent: str, key: Any) -> str:
    """Returns the JSON pointer (RFC 6901) of a member or an item, cut when it is very long."""
    name = str(key).replace("~", "~0").replace("/", "~1")
    return clipped(f"{parent}/{name}", POINTER_LENGTH)


class Place(NamedTuple):
    """An object or a list of a document, and where it lies; its pointer is made when somebody asks."""

    parent: "Place | None"
    key: Any
    container: Container

    @property
    def pointer(self) -> str:
        """JSON pointer to it."""
        return "" if self.parent is None else pointer_to(self.parent.pointer, self.key)

    @property
    def values(self) -> Iterable[Any]:
        """What it holds."""
        return self.container.values() if isinstance(self.container, dict) else self.container

    def inner(self) -> Iterator["Place"]:
        """Yields the objects and lists in it."""
        container = self.container
        items: Iterable[tuple[Any, Any]] = (
            container.items() if isinstance(container, dict) else enumerate(container)
        )
        return (Place(self, key, item) for key, item in items if type(item) in CONTAINERS)


def walk(document: Any) -> Iterator[Place]:
    """Yields the objects and lists of a document, the outer ones first.

    Raises:
        RequestError: they are nested too deeply, or hold too much.
    """
    level = [Place(None, "", document)] if isinstance(document, dict | list) else []
    values = depth = 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise too_wide([Problem(level[0].pointer, f"is nested more than {MAX_DEPTH} levels deep")])
        inner: list[Place] = []
        for place in level:
            values += len(place.container)
            if values > MAX_VALUES:
                detail = f"has {len(place.container)} members; a request may have {MAX_VALUES} in all"
                raise too_wide([Problem(place.pointer, detail)])
            yield place
            inner += place.inner()
        level = inner


def check_text(raw: bytes, limit: int = MAX_VALUES) -> None:
    """Checks that JSON which was not read yet does not hold too much; reading it all takes far longer.

    Each value of an object or a list but the first stands behind a comma. Commas in texts do not count, so
    they are told apart only where there are many, and only until there are too many.

    Raises:
        RequestError: it holds more than `limit` values.
    """
    if len(raw) <= limit or _has_few_commas(raw, limit):
        return
    commas, is_in_text = 0, False
    for block in _blocks(raw):
        parts = block.split(b'"')
        commas += b"".join(parts[is_in_text::2]).count(b",")
        is_in_text ^= len(parts) % 2 == 0
        if commas > limit:
            raise too_wide([Problem("", f"has more than {limit} values in all, which no request may")])


def _has_few_commas(raw: bytes, limit: int) -> bool:
    # Searched for first: a picture in base64 has a dozen of them, and to count takes twenty times as long.
    place = -1
    for _ in range(min(FEW_COMMAS, limit + 1)):
        place = raw.find(b",", place + 1)
        if place < 0:
            return True
    return raw.count(b",") <= limit


def _blocks(raw: bytes) -> Iterator[bytes]:
    """Yields JSON in parts, without the characters that a backslash escapes in a text (RFC 8259, 7)."""
    start = 0
    while start < len(raw):
        block = raw[start : start + BLOCK_BYTES]
        if (len(block) - len(block.rstrip(b"\\"))) % 2:
            # What it escapes comes along.
            block = raw[start : start + BLOCK_BYTES + 1]
        start += len(block)
        # Backslashes first: the quote behind an escaped backslash ends its text.
        yield block.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in block else block


def too_wide(problems: Iterable[Problem]) -> RequestError:
    """Returns the refusal of a request that is too wide or too deep."""
    return RequestError("the request is too large for its schema", problems=tuple(problems))


def may_be_rounded(document: Any) -> bool:
    """Whether a parser that knows whole numbers of 64 bits alone may have rounded one.

    Raises:
        RequestError: see `walk`.
    """
    return any(
        type(value) is float and not -ROUNDED < value < ROUNDED
        for place in walk(document)
        for value in place.values
    )


def is_plain(value: Any) -> bool:
    """Whether a value is no object or list, and no number that needs a closer look."""
    if type(value) is float:
        return -ROUNDED < value < ROUNDED
    if type(value) is int:
        return MIN_WHOLE <= value <= MAX_WHOLE
    return type(value) not in CONTAINERS


def is_flat(value: Any) -> bool:
    """Whether a value is plain, or an object or a list of a moderate number of plain ones."""
    if type(value) in CONTAINERS:
        items = value.values() if isinstance(value, dict) else value
        return len(value) <= MAX_MEMBERS and all(map(is_plain, items))
    return is_plain(value)


def check_shape(document: Any) -> None:
    """Checks what no schema says: depth, the number of all values, and that numbers can be sent on.

    A parameter reaches the wrapper as a text, so it may be a whole number of any length. What is repeated in
    the answer must fit into 64 bits.

    Raises:
        RequestError: one of them is not as it must be.
    """
    for place in walk(document):
        if _holds_parameters(place):
            continue
        for value in place.values:
            if type(value) is int and not MIN_WHOLE <= value <= MAX_WHOLE:
                raise RequestError(
                    "the request does not fit the schema",
                    problems=(Problem(place.pointer, "holds a whole number of more than 64 bits"),),
                )


def _holds_parameters(place: Place) -> bool:
    above = place.parent
    return (
        above is not None
        and above.parent is not None
        and (above.key == "parameter" and above.parent.parent is None)
    )


def compile_widths(schema: Schema) -> WidthCheck:
    """Returns a check of all objects and lists that `schema` judges."""
    known = len(schema.fields)
    limit = MAX_MEMBERS if schema.unknown == INCLUDE else 2 * known + SPARE_MEMBERS
    inner = {name: _field_widths(field) for name, field in schema.fields.items()}
    checks = {name: check for name, check in inner.items() if check is not None}
    may_have = f"at most {limit} are accepted" if schema.unknown == INCLUDE else f"{known} are known here"

    def check(value: Any, pointer: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            return
        if len(value) > limit:
            yield Problem(pointer, f"has {len(value)} members; {may_have}")
            return
        for name, check_inner in checks.items():
            if name in value:
                yield from check_inner(value[name], pointer_to(pointer, name))

    return check


def _field_widths(field: fields.Field[Any]) -> WidthCheck | None:
    if isinstance(field, fields.Nested):
        return compile_widths(field.schema)
    if isinstance(field, ObjectOf):
        return _members_widths(_field_widths(field.inner))
    return _list_widths if isinstance(field, fields.List) else None


def _members_widths(inner: WidthCheck | None) -> WidthCheck:
    def check(value: Any, pointer: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            return
        if len(value) > MAX_INPUTS:
            yield Problem(pointer, f"has {len(value)} members; at most {MAX_INPUTS} are accepted")
        elif inner is not None:
            for name, item in value.items():
                yield from inner(item, pointer_to(pointer, name))

    return check


def _list_widths(value: Any, pointer: str) -> Iterator[Problem]:
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        yield Problem(pointer, f"has {len(value)} items; at most {MAX_ITEMS} are accepted")
