"""Compression and text encodings, as the attributes of inputs and outputs name them.

A wrapper receives plain bytes, and texts in UTF-8, whatever the caller has sent; it answers the same way, and
the caller gets what he has asked for.
"""

import gzip
import zlib
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from athena.errors import OutputError, Problem, RequestError

TEXT = 0
GZIP = "gzip"

#: Encoding as the protocol names it -> codec. GB 18030 contains GBK, which contains GB 2312.
_READ = {"gb2312": "gb18030", "gbk": "gb18030"}
_WRITE = {"gb2312": "gb2312", "gbk": "gbk"}

#: Coding of HTTP bodies (RFC 9110, 8.4.1) -> zlib's window bits.
_WINDOW_BITS = {GZIP: 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}

#: What is unpacked in one step, so that whoever unpacks may do something else in between.
PIECE_BYTES = 256 * 1024
_CHUNK_BYTES = 16 * 1024

#: Parts that gzip data may have, each with a head of its own; empty ones cost time and are no data.
MAX_MEMBERS = 10_000


def decode_input(
    pointer: str,
    type: int,
    data: bytes,
    attributes: dict[str, str],
    limit_bytes: int,
    used_bytes: int = 0,
) -> tuple[bytes, dict[str, str]]:
    """Returns an input as the wrapper gets it, and its attributes, which then say so.

    Args:
        pointer: where the data is in the request.
        type: data type number.
        data: as sent, base64 removed.
        attributes: as sent.
        limit_bytes: how many bytes the inputs of its job may have together when they are unpacked.
        used_bytes: how many the others have.

    Raises:
        RequestError: it is not what its attributes say, or too large.
    """
    if attributes.get("compress") == GZIP:
        data = _gunzip(pointer, data, limit_bytes, used_bytes)
        attributes = {**attributes, "compress": "raw"}
    codec = _READ.get(attributes.get("encoding", "")) if type == TEXT else None
    if codec is not None:
        try:
            data = data.decode(codec).encode()
        except UnicodeDecodeError as error:
            raise _problem(pointer, f"is not {attributes['encoding']}: {error.reason}") from None
        attributes = {**attributes, "encoding": "utf8"}
    return data, attributes


def unpack(coding: str, packed: bytes) -> Iterator[bytes]:
    """Yields packed data as it was, in pieces of at most `PIECE_BYTES`.

    Args:
        coding: "gzip" (RFC 1952), which may have several members, or "deflate" (RFC 1950).
        packed: all of it.

    Raises:
        ValueError: it is not; the text says what it is instead.
    """
    rest = memoryview(packed)
    for _ in range(MAX_MEMBERS if coding == GZIP else 1):
        if not rest:
            return
        rest = yield from _unpack_member(coding, rest)
    if rest:
        raise ValueError(f"is {coding} data of too many parts" if coding == GZIP else f"is not {coding} data")


def _unpack_member(coding: str, rest: memoryview) -> Generator[bytes, None, memoryview]:
    """Yields what one member holds; returns what is behind it."""
    member = zlib.decompressobj(_WINDOW_BITS[coding])
    while not member.eof:
        chunk = rest[:_CHUNK_BYTES]
        try:
            piece = member.decompress(chunk, PIECE_BYTES)
        except zlib.error:
            raise ValueError(f"is not {coding} data") from None
        # zlib may still hold data when its input is at an end: only nothing for nothing is too little.
        if not chunk and not piece and not member.eof:
            raise ValueError(f"is {coding} data that is cut off")
        # What found no place in the piece, and what belongs to the next member, is read again.
        rest = rest[len(chunk) - len(member.unconsumed_tail) - len(member.unused_data) :]
        if piece:
            yield piece
    return rest


def _gunzip(pointer: str, packed: bytes, limit_bytes: int, used_bytes: int) -> bytes:
    """Unpacks an input, and stops before it grows over the limit."""
    unpacked = bytearray()
    try:
        for piece in unpack(GZIP, packed):
            unpacked += piece
            if used_bytes + len(unpacked) > limit_bytes:
                together = "with the inputs before it, " if used_bytes else ""
                raise _problem(pointer, f"{together}has more than {limit_bytes} bytes when it is unpacked")
    # The refusal above is no ValueError, so it passes.
    except ValueError as error:
        raise _problem(pointer, f"{error}; its `compress` says gzip") from None
    return bytes(unpacked)


def encode_output(key: str, type: int, data: bytes, attributes: Mapping[str, Any]) -> bytes:
    """Returns an output as the caller has asked for it.

    Raises:
        OutputError: the text cannot be written in the encoding that he named.
    """
    codec = _WRITE.get(str(attributes.get("encoding") or "")) if type == TEXT else None
    if codec is not None:
        try:
            data = data.decode().encode(codec)
        except UnicodeError as error:
            raise OutputError(f"output {key!r} cannot be written in {codec}: {error}") from None
    # Without the time of day in its head: the same output is always the same bytes.
    return gzip.compress(data, mtime=0) if attributes.get("compress") == GZIP else data


def _problem(pointer: str, detail: str) -> RequestError:
    return RequestError("an input cannot be read", problems=(Problem(pointer, detail),))
