"""Proxies in front of the gateway, each with the configuration that people write."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

START_TIMEOUT_S = 20

NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_max_body_size 64m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream athena {{ server 127.0.0.1:{upstream}; {keepalive} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://athena; {options} }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    {options}
frontend front
    bind 127.0.0.1:{port}
    default_backend athena
backend athena
    {backend}
    server one 127.0.0.1:{upstream}
"""

KEPT = 'proxy_http_version 1.1; proxy_set_header Connection "";'

PROXIES: dict[str, tuple[str, dict[str, str]]] = {
    "nginx, `proxy_pass` alone": (NGINX, {"keepalive": "", "options": ""}),
    "nginx, kept connections": (NGINX, {"keepalive": "keepalive 16;", "options": KEPT}),
    "nginx, unbuffered": (
        NGINX,
        {
            "keepalive": "keepalive 16;",
            "options": f"{KEPT} proxy_request_buffering off; proxy_buffering off;",
        },
    ),
    "HAProxy": (HAPROXY, {"options": "", "backend": ""}),
    "HAProxy, `abortonclose`": (HAPROXY, {"options": "option abortonclose", "backend": "http-reuse always"}),
}


class ProxyFailed(Exception):
    """A proxy did not start."""


@contextmanager
def proxy(name: str, upstream: int, folder: Path) -> Iterator[str]:
    """Runs a proxy before a port of this machine; gives its URL.

    Raises:
        ProxyFailed: it is not installed, or did not start.
    """
    template, options = PROXIES[name]
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    text = template.format(folder=folder, port=port, upstream=upstream, user=_user(), **options)
    config = folder / "config"
    config.write_text(text)
    program = "nginx" if template is NGINX else "haproxy"
    # Debian keeps both where only root's PATH looks.
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if path is None:
        raise ProxyFailed(f"{program} is not installed: run scripts/install-clients.sh")
    command = (
        [path, "-p", str(folder), "-c", str(config)] if program == "nginx" else [path, "-f", str(config)]
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(process, port, folder)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _user() -> str:
    """Returns nginx's line for the one who runs it: root's workers are nobody, who may not write here."""
    return "user root root;" if os.geteuid() == 0 else ""


def _wait(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise ProxyFailed((folder / "log").read_text(errors="replace")[-500:])
