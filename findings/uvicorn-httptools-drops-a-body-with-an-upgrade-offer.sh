#!/usr/bin/env bash
# uvicorn 0.54.0 with httptools 0.9.0: a POST that offers `Upgrade: h2c`, as Java's HttpClient does with each
# request, reaches the application with an empty body and `more_body` false; with h11 0.16.0 the body is there.
# RFC 9110, 7.8: the offer may be ignored, and changes nothing about the message it stands in.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
cat >try.py <<'PY'
import asyncio
import sys

import uvicorn

REQUEST = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    b"\r\nhello"
)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    text = b"%d bytes" % len(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


async def ask(parser):
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=parser, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    text = await asyncio.wait_for(reader.readexactly(7), 10)
    writer.close()
    server.should_exit = True
    await serving
    return text.decode()


print(f"{sys.argv[1]}: {asyncio.run(ask(sys.argv[1]))}")
PY
seen=$(venv/bin/python try.py httptools; venv/bin/python try.py h11)
echo "$seen"
expected=$'httptools: 0 bytes\nh11: 5 bytes'
[ "$seen" = "$expected" ] || { echo "changed: expected $expected" >&2; exit 1; }
