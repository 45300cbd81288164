"""A gateway that others reach: TLS, and what its log says of an open address."""

import os
import shutil
import ssl
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import ECHO, Stack, example, free_port, serving, wait_until
from tests.redis_servers import issue_certificate, make_certificates

pytestmark = pytest.mark.e2e


def shown_certificate(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=30)


def test_all_of_it_over_tls_and_a_renewed_certificate_without_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    make_certificates(folder)
    issue_certificate(folder, "second")
    files = {
        "ATHENA_TLS_CERT_FILE": str(folder / "server.pem"),
        "ATHENA_TLS_KEY_FILE": str(folder / "server.key"),
    }

    with serving(tmp_path, ECHO, **files) as stack:
        assert f"https://127.0.0.1:{stack.port}/v1/private/echo" in stack.log
        assert "curl -s --insecure https://" in stack.log
        url, gateway = f"https://localhost:{stack.port}", stack.child("-m", "api")

        with requests.Session() as session:
            # Else a variable with other authorities would count more.
            session.trust_env, session.verify = False, str(folder / "ca.pem")
            assert session.post(f"{url}/echo", json=example("echo"), timeout=90).status_code == 200
            first = shown_certificate(stack.port)

            for kind in ("pem", "key"):
                shutil.copy(folder / f"second.{kind}", folder / "new")
                os.replace(folder / "new", folder / f"server.{kind}")
            wait_until(lambda: shown_certificate(stack.port) != first, 30, "the other certificate is shown")

            # The connection of before goes on, and new ones are trusted.
            assert session.post(f"{url}/echo", json=example("echo"), timeout=90).status_code == 200
            session.close()
            assert session.get(f"{url}/readyz", timeout=90).status_code == 200
        assert gateway.is_running()


def test_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("none")
    files = {
        "ATHENA_TLS_CERT_FILE": str(tmp_path / "cert.pem"),
        "ATHENA_TLS_KEY_FILE": str(tmp_path / "cert.pem"),
    }

    running = Stack(tmp_path, free_port(), free_port(), "--ability", str(ECHO), **files)

    assert running.process.wait(90) == 78
    assert "ATHENA_TLS_CERT_FILE" in running.log
    assert "loading" not in running.log


def test_open_address_without_keys_and_tls_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, ECHO, ATHENA_HOST="0.0.0.0") as stack:
        assert "no keys are asked for" in stack.log
        assert "ATHENA_TLS_CERT_FILE" in stack.log
