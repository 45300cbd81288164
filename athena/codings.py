"""Compression and text encodings, as the attributes of inputs and outputs name them.

A wrapper receives plain bytes, and texts in UTF-8, whatever the caller has sent; it answers the same way, and
the caller gets what he has asked for.
"""

import gzip
import zlib
from collections.abc import Mapping
from typing import Any

from athena.errors import OutputError, Problem, RequestError

TEXT = 0
GZIP = "gzip"

#: Encoding as the protocol names it -> codec. GB 18030 contains GBK, which contains GB 2312.
_READ = {"gb2312": "gb18030", "gbk": "gb18030"}
_WRITE = {"gb2312": "gb2312", "gbk": "gbk"}

_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS


def decode_input(
    pointer: str, type: int, data: bytes, attributes: dict[str, str], limit_bytes: int
) -> tuple[bytes, dict[str, str]]:
    """Returns an input as the wrapper gets it, and its attributes, which then say so.

    Args:
        pointer: where the data is in the request.
        type: data type number.
        data: as sent, base64 removed.
        attributes: as sent.
        limit_bytes: how many bytes it may have when it is unpacked.

    Raises:
        RequestError: it is not what its attributes say, or too large.
    """
    if attributes.get("compress") == GZIP:
        data = gunzip(pointer, data, limit_bytes)
        attributes = {**attributes, "compress": "raw"}
    codec = _READ.get(attributes.get("encoding", "")) if type == TEXT else None
    if codec is not None:
        try:
            data = data.decode(codec).encode()
        except UnicodeDecodeError as error:
            raise _problem(pointer, f"is not {attributes['encoding']}: {error.reason}") from None
        attributes = {**attributes, "encoding": "utf8"}
    return data, attributes


def gunzip(pointer: str, data: bytes, limit_bytes: int) -> bytes:
    """Unpacks data, and stops before it grows over the limit.

    Raises:
        RequestError: it is not gzip, is cut off, or grows over the limit.
    """
    unpacked = bytearray()
    try:
        while data:
            member = zlib.decompressobj(_GZIP_WINDOW_BITS)
            unpacked += member.decompress(data, limit_bytes - len(unpacked) + 1)
            if len(unpacked) > limit_bytes:
                raise _problem(pointer, f"has more than {limit_bytes} bytes when it is unpacked")
            if not member.eof:
                raise _problem(pointer, "is gzip data that is cut off")
            data = member.unused_data
    except zlib.error:
        raise _problem(pointer, "is not gzip data, as its `compress` says") from None
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
    return gzip.compress(data, mtime=0) if attributes.get("compress") == GZIP else data


def _problem(pointer: str, detail: str) -> RequestError:
    return RequestError("an input cannot be read", problems=(Problem(pointer, detail),))
