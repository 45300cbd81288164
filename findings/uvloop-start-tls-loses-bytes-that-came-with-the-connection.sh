#!/usr/bin/env bash
# uvloop 0.23.0: a server whose protocol starts a task in `connection_made` that calls `loop.start_tls` at once may get
# the client's first bytes (the ClientHello) in its own `data_received` before that task runs, where they are lost: the
# handshake fails. It happens where the bytes lie in the kernel when the connection is accepted. asyncio's own loop
# reads nothing before the task has run. `transport.pause_reading()` in `connection_made` does not help always.
# Of 30 connections of each kind, some lose their first bytes with uvloop, none with asyncio.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uvloop==0.23.0
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=x 2>/dev/null
cat >try.py <<'PY'
import asyncio
import socket
import ssl
import sys
import threading
import time

import uvloop

CONTEXT = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
CONTEXT.load_cert_chain("cert.pem", "key.pem")


class Plain(asyncio.Protocol):
    def __init__(self, done, pauses):
        self.early, self.done, self.pauses = 0, done, pauses

    def connection_made(self, transport):
        if self.pauses:
            transport.pause_reading()
        self.task = asyncio.get_running_loop().create_task(self.upgrade(transport))

    def data_received(self, data):
        self.early += len(data)

    async def upgrade(self, transport):
        loop = asyncio.get_running_loop()
        try:
            await loop.start_tls(transport, asyncio.Protocol(), CONTEXT, server_side=True, ssl_handshake_timeout=5)
            self.done.set_result(self.early)
        except OSError:
            self.done.set_result(self.early)


def call(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain):
            pass
    except OSError:
        pass


async def early_bytes(pauses):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    server = await loop.create_server(lambda: Plain(done, pauses), "127.0.0.1", 0)
    client = threading.Thread(target=call, args=(server.sockets[0].getsockname()[1],))
    client.start()
    time.sleep(0.2)  # on purpose in the loop: the client has sent before the connection is accepted
    early = await done
    server.close()
    return early


runs = {"asyncio": asyncio.run, "uvloop": uvloop.run}
lost = [runs[sys.argv[1]](early_bytes(sys.argv[2] == "paused")) for _ in range(30)]
print(f"{sys.argv[1]}, {sys.argv[2]}: {sum(one != 0 for one in lost)} of {len(lost)} lost their first bytes")
sys.exit(any(lost))
PY
venv/bin/python try.py asyncio reading
venv/bin/python try.py uvloop paused || true
if venv/bin/python try.py uvloop reading; then
  echo "uvloop 0.23.0 delivers nothing early any more"
  exit 1
fi
