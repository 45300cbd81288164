"""A request's body of JSON: it is parsed once, and what was found out about it stays with it."""

import json
from collections.abc import Callable
from typing import Any

import orjson

from api.http.long_texts import LONG_BYTES, load_around_texts
from athena.errors import Problem, RequestError
from athena.protocol.checks.schema import RequestSchema
from athena.protocol.checks.widths import check_text, may_be_rounded
from athena.protocol.plain import EnvelopeMaker, is_plain


class JsonBody:
    """What a body says, and what is known of it.

    Args:
        raw: the body.
        schema: of its ability's requests.
        make_envelope: makes an envelope of what is in the plain form.
        choose: returns the schema in place of that one, by what the body says.

    Attributes:
        document: what orjson has read, as an envelope; None where there is something wrong.
        is_plain: whether it came in the plain form.
        is_quick: whether the quick check of the schema says yes.
    """

    __slots__ = ("_fault", "document", "is_plain", "is_quick", "raw")

    def __init__(
        self,
        raw: bytes,
        schema: RequestSchema,
        make_envelope: EnvelopeMaker,
        choose: Callable[[Any], RequestSchema] | None = None,
    ) -> None:
        self.raw, self.is_plain = raw, False
        # Not the error itself: one that was raised leads back here by its traceback.
        self._fault: tuple[str, tuple[Problem, ...]] | None = None
        try:
            check_text(raw)
            self.document: Any = load_json(raw)
            if choose is not None:
                schema = choose(self.document)
            if is_plain(self.document):
                self.is_plain = True
                self.document = make_envelope(with_exact_numbers(self.document, lambda: json.loads(raw)))
            self.is_quick = schema.quick_check(self.document)
        except RequestError as fault:
            self.document, self.is_quick = None, False
            self._fault = fault.message, fault.problems

    def envelope(self) -> Any:
        """Returns what the body says, with whole numbers of any length.

        Raises:
            RequestError: it is no JSON; the detail says where. Or it is too deep, or too wide.
        """
        if self._fault is not None:
            message, problems = self._fault
            raise RequestError(message, problems=problems)
        if self.is_quick or self.is_plain:
            return self.document
        return with_exact_numbers(self.document, lambda: json.loads(self.raw))


def parse_json(raw: bytes) -> Any:
    """Reads JSON, with whole numbers of any length.

    Raises:
        RequestError: it is none; the detail says where. Or it is too deep, or too wide.
    """
    check_text(raw)
    return with_exact_numbers(load_json(raw), lambda: json.loads(raw))


def with_exact_numbers(document: Any, read_exactly: Callable[[], Any]) -> Any:
    """Returns a document with its whole numbers as they were written.

    orjson makes floats of those beyond 64 bits, without a word. Python's own parser does not, but takes three
    times as long, so it reads only what may hold one.

    Args:
        document: what orjson has read.
        read_exactly: reads it with Python's parser.

    Raises:
        RequestError: it is too deep, or too wide.
    """
    return read_exactly() if may_be_rounded(document) else document


def load_json(raw: bytes) -> Any:
    """Reads JSON; whole numbers beyond 64 bits become floats.

    Raises:
        RequestError: it is none; the detail says where.
    """
    try:
        return load_around_texts(raw) if len(raw) >= LONG_BYTES else orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "the request is not JSON", problems=(Problem("", f"is not JSON: {error}"),)
        ) from None
