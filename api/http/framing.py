"""The bytes of a connection become requests, within limits."""

import asyncio
from typing import Any

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from api.http.heads import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    Headers,
    content_length,
    lacks_version,
    size_of,
    too_large,
    too_many_fields,
    without_offer,
)
from api.http.problems import unexpected
from athena.errors import AthenaError, HttpVersionError, MethodError, RequestError

#: So much is parsed at a time: what is behind the requests in it waits unread until they are answered.
SLICE_BYTES = 16_384

#: And so much where requests begin: each one in it costs the gate's look, and none can be put off.
BEGINNING_BYTES = 1024

#: What is just being received: nothing, a head, or a body with its trailers.
BETWEEN, HEAD, BODY = range(3)


class Framing(asyncio.Protocol):
    """Cuts what a connection receives into requests, and hands them on piece by piece.

    Nothing is held here but an unfinished head, and what `must_wait` keeps from being parsed. An offer to
    change the protocol is ignored (RFC 9110, 7.8): head and body are parsed again without it.
    """

    def __init__(self) -> None:
        self.parser: Any = None
        self.stage = BETWEEN
        self.method = self.url = b""
        self.version = ""
        self.headers: Headers = []
        #: What was received and not parsed yet.
        self.held: memoryview | None = None
        #: Nothing more is parsed: the caller said so, or what he sends cannot be understood.
        self.is_input_over = False
        self._is_feeding = False
        #: How much of an unfinished head, or of trailers, has come in slices before.
        self.open_bytes = 0
        # Of the slice that is being parsed: how many requests begin in it, whether any of it is a body.
        self._begun = 0
        self._has_body = False
        self._slice_bytes = 0
        self._has_offer = False
        #: How much of the present body has come.
        self._body_bytes = 0

    def begin_request(self) -> None:
        """Called when a head is whole and sound."""
        raise NotImplementedError

    def add_body(self, body: bytes) -> None:
        """Called with each piece of the body."""
        raise NotImplementedError

    def end_request(self) -> None:
        """Called when the request is whole."""
        raise NotImplementedError

    def refuse(self, error: AthenaError) -> None:
        """Called with what is wrong in what is being received; nothing more is understood."""
        raise NotImplementedError

    def must_wait(self) -> bool:
        """Whether no more may be parsed now."""
        raise NotImplementedError

    def receive(self, data: bytes) -> None:
        """Parses what has come, as far as it may be parsed now; the rest is `held`."""
        if self.held is None and (len(data) <= SLICE_BYTES or self._is_all_body(len(data))):
            self._is_feeding = True
            try:
                self._feed(data)
            finally:
                self._is_feeding = False
        else:
            # A view: slices of bytes would copy all the rest each time.
            self.held = memoryview(bytes(self.held or b"") + data)
            self.receive_held()

    def _is_all_body(self, size_bytes: int) -> bool:
        """Whether so many bytes are of the present body alone, so that no request begins in them."""
        if self.stage != BODY or self.must_wait():
            return False
        return size_bytes <= (content_length(self.headers) or 0) - self._body_bytes

    def receive_held(self) -> None:
        """Parses more of what is held, if it may be parsed now."""
        # An answer from within a callback leads back here, and the parser cannot be fed there.
        if self._is_feeding:
            return
        self._is_feeding = True
        try:
            while self.held is not None and not self.must_wait():
                is_long = self.stage == BODY and not self._begun
                size = SLICE_BYTES if is_long else BEGINNING_BYTES
                part, rest = self.held[:size], self.held[size:]
                self.held = rest or None
                self._feed(bytes(part))
                if self.is_input_over:
                    self.held = None
        finally:
            self._is_feeding = False

    def _feed(self, data: bytes) -> None:
        if self.parser is None:
            self.parser = HttpRequestParser(self)
        is_start = self.stage == BETWEEN
        self._begun, self._has_body = 0, False
        while True:
            self._slice_bytes = len(data)
            try:
                self.parser.feed_data(data)
                break
            except HttpParserUpgrade as offer:
                data = self._take_back(data[offer.args[0] :])
            except HttpParserError as error:
                self._end_by(error)
                return
        if self.stage != BETWEEN:
            self._check_unfinished(data, is_start and self._begun == 1)

    def _take_back(self, rest: bytes) -> bytes:
        """Begins a request anew that was parsed as if another protocol began behind its head."""
        self.parser = HttpRequestParser(self)
        self.stage, self._has_offer = BETWEEN, False
        return without_offer(self.method, self.url, self.version, self.headers) + rest

    def _check_unfinished(self, data: bytes, is_all: bool) -> None:
        """Bounds what the parser holds: a head, or trailers, without end.

        Args:
            data: the slice that was parsed.
            is_all: whether it holds nothing but the beginning of this request.
        """
        if self.stage == HEAD and is_all and lacks_version(data):
            self.refuse(_other_version())
        elif self._has_body or (self._begun and not is_all):
            self.open_bytes = 0
        else:
            self.open_bytes += len(data)
            if self.open_bytes > MAX_HEAD_BYTES:
                self.refuse(too_large())

    def _end_by(self, error: HttpParserError) -> None:
        if self.is_input_over:
            return
        # httptools puts an error of its own around what a callback raised.
        cause = error.__context__
        if isinstance(cause, AthenaError):
            self.refuse(cause)
        elif isinstance(error, HttpParserCallbackError) and isinstance(cause, Exception):
            self.refuse(unexpected(cause))
        elif "version" in str(error) or "PRI" in str(error):
            # PRI is how HTTP/2 begins (RFC 9113, 3.4).
            self.refuse(_other_version())
        else:
            self.refuse(RequestError(f"this is no HTTP request: {error}"))

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self.stage = HEAD
        self.url = b""
        self.headers = []
        self._begun += 1

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or a trailer, which never counts as one (RFC 9110, 6.5.1)."""
        if self.stage == HEAD:
            self.headers.append((name.lower(), value))
            if len(self.headers) > MAX_FIELDS:
                # At once: to read the rest of a head of thousands costs more than all else of a request.
                raise too_many_fields()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        parser = self.parser
        self.method, self.version = parser.get_method(), parser.get_http_version()
        # What lies within one slice is never too large.
        if self.open_bytes + self._slice_bytes > SLICE_BYTES:
            self._check_size()
        if parser.should_upgrade():
            self._note_offer()
            return
        self.open_bytes = self._body_bytes = 0
        self.begin_request()
        self.stage = BODY

    def _check_size(self) -> None:
        if size_of(self.method, self.url, self.headers) > MAX_HEAD_BYTES:
            raise too_large()

    def _note_offer(self) -> None:
        if self.method == b"CONNECT":
            raise MethodError("this is no proxy")
        self._has_offer = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._has_body = True
        self._body_bytes += len(body)
        self.add_body(body)

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._has_body = True

    def on_message_complete(self) -> None:
        """The request is whole."""
        # To the parser the other protocol begins here; `_feed` begins the request anew without the offer.
        if self._has_offer:
            return
        self.stage = BETWEEN
        self.open_bytes = 0
        # Before the end is told: the answer may be written at once, and closing depends on it.
        if not self.parser.should_keep_alive():
            self.is_input_over = True
        self.end_request()


def _other_version() -> HttpVersionError:
    return HttpVersionError("only HTTP/1.1 and HTTP/1.0 are served here")
