"""Forms become envelopes, byte for byte."""

import base64

import pytest
from flask import Flask, request

from api.http.forms import read_upload
from athena.protocol.interface import DataSpec, Interface, Limits

BOUNDARY = "0123456789abcdef0123456789abcdef"
TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

#: A form's parser may read a body in pieces of this many bytes.
PIECE_BYTES = 65_536


def form_of(data: bytes) -> bytes:
    """Returns a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="text"; filename="a.txt"\r\n'
    return f"{head}Content-Type: text/plain\r\n\r\n".encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def sent(raw: bytes) -> bytes:
    """Returns what arrives of the form's file."""
    text = (DataSpec("text", 0),)
    interface = Interface("echo", "v1", "", (), text, text, ("cpu",), True, Limits())
    with Flask("forms").test_request_context(method="POST", data=raw, headers=TYPE):
        envelope, _ = read_upload(request, raw, interface, "me")
    return base64.b64decode(envelope["payload"]["text"]["text"])


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("end", [b"", b"\r", b"\n", b"\r\n", b"\r\n--"])
def test_a_file_arrives_as_it_was_sent_wherever_its_pieces_meet(pieces: int, end: bytes) -> None:
    around = range(-len(form_of(b"")) - len(end) - 4, 4)
    for more in around:
        data = bytes([97 + more % 7]) * (pieces * PIECE_BYTES + more) + end

        assert sent(form_of(data)) == data, f"{len(data)} bytes"
