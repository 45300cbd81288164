"""Compression and text encodings on the way in and out."""

import gzip
import time
import tracemalloc
import zlib

import pytest

from athena.errors import OutputError, RequestError
from athena.protocol.codings import PIECE_BYTES, decode_input, encode_output, unpack

LIMIT_BYTES = 1000


def decode(data: bytes, **attributes: str) -> tuple[bytes, dict[str, str]]:
    return decode_input("/payload/text/text", 0, data, attributes, LIMIT_BYTES)


def refusal(data: bytes, **attributes: str) -> str:
    with pytest.raises(RequestError) as error:
        decode(data, **attributes)
    (problem,) = error.value.problems
    assert problem.pointer == "/payload/text/text"
    return problem.detail


@pytest.mark.parametrize("attributes", [{}, {"compress": "raw"}, {"encoding": "utf8"}, {"format": "plain"}])
def test_what_is_plain_stays_as_it_is(attributes: dict[str, str]) -> None:
    data = "ü".encode()

    assert decode(data, **attributes) == (data, attributes)


def test_gzip_is_unpacked_and_the_attribute_says_so() -> None:
    assert decode(gzip.compress(b"text", mtime=0), compress="gzip") == (b"text", {"compress": "raw"})


def test_gzip_of_several_members_is_unpacked_whole() -> None:
    assert (
        decode(gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0), compress="gzip")[0]
        == b"one two"
    )


def test_gzip_of_nothing_is_nothing() -> None:
    assert decode(gzip.compress(b"", mtime=0), compress="gzip")[0] == b""


@pytest.mark.parametrize("number", [0, 1])
def test_unpacked_size_has_a_limit(number: int) -> None:
    data = gzip.compress(b"x" * (LIMIT_BYTES + number))

    if number:
        assert refusal(data, compress="gzip") == "has more than 1000 bytes when it is unpacked"
    else:
        assert len(decode(data, compress="gzip")[0]) == LIMIT_BYTES


def test_bomb_is_refused_without_being_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    tracemalloc.start()
    detail = refusal(bomb, compress="gzip")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "has more than" in detail
    assert peak_bytes < 1_000_000


def test_all_inputs_of_a_job_have_one_limit() -> None:
    packed = gzip.compress(b"x" * 600)
    attributes = {"compress": "gzip"}

    assert decode_input("/payload/a/text", 0, packed, attributes, LIMIT_BYTES, 400)[0] == b"x" * 600
    with pytest.raises(RequestError) as error:
        decode_input("/payload/a/text", 0, packed, attributes, LIMIT_BYTES, 401)
    (problem,) = error.value.problems
    assert problem.detail == "with the inputs before it, has more than 1000 bytes when it is unpacked"


def test_members_without_data_cost_little() -> None:
    """Each took a copy of all that was behind it: a minute of CPU for 6 MB of them."""
    began_s = time.process_time()

    detail = refusal(gzip.compress(b"", mtime=0) * 300_000, compress="gzip")

    assert detail == "is gzip data of too many parts; its `compress` says gzip"
    assert time.process_time() - began_s < 5


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES + 1])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_was_packed_comes_out_in_pieces(coding: str, size: int) -> None:
    data = bytes(size)
    packed = gzip.compress(data) if coding == "gzip" else zlib.compress(data)

    pieces = list(unpack(coding, packed))

    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"no gzip", "is not gzip data; its `compress` says gzip"),
        (zlib.compress(b"text"), "is not gzip data; its `compress` says gzip"),
        (gzip.compress(b"text", mtime=0)[:-9], "is gzip data that is cut off; its `compress` says gzip"),
        (gzip.compress(b"text", mtime=0)[:5], "is gzip data that is cut off; its `compress` says gzip"),
        (gzip.compress(b"text", mtime=0)[:-1] + b"\xff", "is not gzip data; its `compress` says gzip"),
        (gzip.compress(b"text", mtime=0) + b"rest", "is not gzip data; its `compress` says gzip"),
    ],
)
def test_what_is_no_gzip_is_refused_with_its_place(data: bytes, detail: str) -> None:
    assert refusal(data, compress="gzip") == detail


@pytest.mark.parametrize("encoding", ["gb2312", "gbk"])
def test_chinese_encodings_reach_the_wrapper_as_utf_8(encoding: str) -> None:
    data, attributes = decode("识别文字".encode(encoding), encoding=encoding)

    assert data.decode() == "识别文字"
    assert attributes == {"encoding": "utf8"}


def test_packed_text_is_unpacked_before_it_is_converted() -> None:
    packed = gzip.compress("识别".encode("gbk"))

    assert decode(packed, compress="gzip", encoding="gbk")[0].decode() == "识别"


def test_text_that_is_not_in_its_encoding_is_refused() -> None:
    assert refusal(b"\xff\xff", encoding="gbk").startswith("is not gbk: ")


@pytest.mark.parametrize("type", [1, 2, 3])
def test_only_texts_are_converted(type: int) -> None:
    decoded = decode_input("/payload/a/image", type, b"\xff\xff", {"encoding": "gbk"}, LIMIT_BYTES)

    assert decoded == (b"\xff\xff", {"encoding": "gbk"})


def test_output_is_packed_and_written_as_the_caller_asked() -> None:
    output = encode_output("text", 0, "识别".encode(), {"encoding": "gb2312", "compress": "gzip"})

    assert gzip.decompress(output).decode("gb2312") == "识别"


def test_packing_the_same_twice_gives_the_same() -> None:
    first, second = (encode_output("text", 0, b"x", {"compress": "gzip"}) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("attributes", [{}, {"encoding": "utf8"}, {"encoding": None}, {"compress": "raw"}])
def test_output_stays_as_it_is_where_nothing_else_was_asked(attributes: dict[str, str]) -> None:
    assert encode_output("text", 0, b"\xff", attributes) == b"\xff"


@pytest.mark.parametrize("data", ["😀".encode(), b"\xff"])
def test_text_that_the_encoding_cannot_hold_is_an_error_of_the_output(data: bytes) -> None:
    with pytest.raises(OutputError, match="output 'text' cannot be written in gb2312"):
        encode_output("text", 0, data, {"encoding": "gb2312"})
