#!/usr/bin/env bash
# Werkzeug 3.1.9 (pallets/werkzeug issue 3285, open): its form parser reads a body in pieces of 64 KiB. Where a piece
# ends behind "\r\n--BOUNDARY-", one byte before the end of the closing delimiter, the file that stands before it gets a
# "\r" more than was sent: one length in 65,536 of a form with one file. The request succeeds, no error tells of it. In one
# piece (`buffer_size` of the body's length) each length arrives as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3.11 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check werkzeug==3.1.9
cat >form.py <<'END'
from io import BytesIO

from werkzeug.formparser import MultiPartParser

BOUNDARY = b"0123456789abcdef"


def form_of(data):
    head = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return head + data + b"\r\n--" + BOUNDARY + b"--\r\n"


def wrong(**options):
    lengths = []
    for length in range(65_536 - 200, 65_536):
        data = b"a" * length
        raw = form_of(data)
        _, files = MultiPartParser(stream_factory=lambda *_, **__: BytesIO(), **options).parse(
            BytesIO(raw), BOUNDARY, len(raw)
        )
        got = files["file"].read()
        if got != data:
            lengths.append((len(raw) - 65_536, got[len(data) :]))
    return lengths


print(wrong(), wrong(buffer_size=1 << 20))
END
seen=$(venv/bin/python form.py)
echo "$seen"
[ "$seen" = "[(3, b'\\r')] []" ]
