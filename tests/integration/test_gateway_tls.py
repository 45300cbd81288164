"""A gateway that speaks TLS: who gets in, how connections end, and how its certificate is exchanged."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.http.connection import Connection
from api.http.patience import HEAD_S, LINGER_S
from api.http.secure_listener import Handshake
from athena.errors import ConfigError
from athena.runtime.certificate import Certificate, load_certificate
from tests.callers import Knowing, get, post
from tests.conftest import wait_until
from tests.listener import TIMEOUT_S, Answered, Client, Listener, listening
from tests.redis_servers import issue_certificate, make_certificates


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority and two certificates of it."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    issue_certificate(folder, "second")
    return folder


@pytest.fixture
def files(issued: Path, tmp_path: Path) -> tuple[str, str]:
    return install(issued, tmp_path, "server")


def install(issued: Path, folder: Path, name: str) -> tuple[str, str]:
    """Puts a certificate where the gateway looks for it, as certbot and Kubernetes do: whole, by renaming."""
    for kind in ("pem", "key"):
        shutil.copy(issued / f"{name}.{kind}", folder / f"new.{kind}")
        os.replace(folder / f"new.{kind}", folder / f"gateway.{kind}")
    return str(folder / "gateway.pem"), str(folder / "gateway.key")


@pytest.fixture
def gateway() -> Knowing:
    knowing = Knowing()
    knowing.ends_at_once = True
    return knowing


@pytest.fixture
def certificate(files: tuple[str, str]) -> Certificate:
    return Certificate(*files)


@pytest.fixture
def listener(gateway: Knowing, certificate: Certificate) -> Iterator[Listener]:
    with listening(gateway, certificate=certificate) as running:
        yield running


class SecureClient(Client):
    """A client that trusts the authority of these certificates alone."""

    def __init__(self, listener: Listener, issued: Path, context: ssl.SSLContext | None = None) -> None:
        super().__init__(listener)
        trust = context or ssl.create_default_context(cafile=str(issued / "ca.pem"))
        self.socket = trust.wrap_socket(self.socket, server_hostname="localhost")

    @property
    def name(self) -> str:
        """The name in the certificate that was shown."""
        assert isinstance(self.socket, ssl.SSLSocket)
        found = self.socket.getpeercert()
        assert found is not None
        return str(dict(item[0] for item in found["subject"])["commonName"])  # type: ignore[misc]

    def ask(self) -> Answered:
        self.send(post())
        return self.answer()


def test_requests_are_answered_on_all_ways(listener: Listener, issued: Path) -> None:
    with SecureClient(listener, issued) as client:
        client.send(post())
        assert client.answer().status == 200
        client.send(post(content_type="text/plain"))
        assert client.answer().status == 200
        client.send(get())
        assert client.answer().status == 200


def test_answers_do_not_wait_for_one_another(listener: Listener, issued: Path) -> None:
    """Without this a kernel holds a small answer back until the caller has confirmed the one before."""
    with SecureClient(listener, issued) as client:
        client.ask()
        [connection] = listener.connections
        channel = connection.transport.get_extra_info("socket")
        assert channel.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_session_is_resumed(listener: Listener, issued: Path) -> None:
    context = ssl.create_default_context(cafile=str(issued / "ca.pem"))
    with SecureClient(listener, issued, context) as first:
        first.ask()
        assert isinstance(first.socket, ssl.SSLSocket)
        session = first.socket.session

    with (
        socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as second,
    ):
        second.sendall(post())
        assert second.recv(65536).startswith(b"HTTP/1.1 200")
        assert second.session_reused


def test_large_body_comes_whole(listener: Listener, issued: Path, gateway: Knowing) -> None:
    with SecureClient(listener, issued) as client:
        client.send(post(b"x" * 300_000))
        assert client.answer().status == 413

        def is_let_go() -> bool:
            listener.pass_time(LINGER_S + 1)
            return not listener.connections

        wait_until(is_let_go, "nobody is left")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_present_versions_are_spoken(listener: Listener, issued: Path, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(issued / "ca.pem"))
    context.minimum_version = context.maximum_version = version

    with SecureClient(listener, issued, context) as client:
        assert client.ask().status == 200


def test_older_versions_are_refused(listener: Listener, issued: Path) -> None:
    context = ssl.create_default_context(cafile=str(issued / "ca.pem"))
    # Else it is this client that refuses them.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises((ssl.SSLError, ConnectionError)):
        SecureClient(listener, issued, context)


def test_who_speaks_no_tls_is_sent_away(listener: Listener) -> None:
    with Client(listener) as client, contextlib.suppress(ConnectionResetError):
        client.send(get())
        assert b"HTTP" not in client.rest()
    wait_until(lambda: not listener.connections, "nobody is left")


def test_who_says_nothing_is_counted_from_the_first_moment(
    gateway: Knowing, certificate: Certificate, issued: Path
) -> None:
    with listening(gateway, max_connections=3, certificate=certificate) as listener:
        silent = [socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S) for _ in range(3)]
        wait_until(lambda: len(listener.connections) == 3, "all are counted")
        assert all(isinstance(connection, Handshake) for connection in listener.connections)

        with SecureClient(listener, issued) as client:
            assert client.ask().status == 200
            # One of the silent ones has made room.
            assert len(listener.connections) <= 3
        for each in silent:
            each.close()
        wait_until(lambda: not listener.connections, "nobody is left")


def test_address_has_as_many_connections_as_it_may(certificate: Certificate, issued: Path) -> None:
    gateway = Knowing(ATHENA_MAX_CONNECTIONS_PER_ADDRESS="2")
    with listening(gateway, certificate=certificate) as listener:
        with SecureClient(listener, issued) as first, SecureClient(listener, issued) as second:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                SecureClient(listener, issued)
            for client in (first, second):
                client.send(get())
                assert client.answer().status == 200
        wait_until(lambda: not listener.connections, "both are gone")
        with SecureClient(listener, issued) as third:
            third.send(get())
            assert third.answer().status == 200


def test_connections_end_in_time(listener: Listener, issued: Path) -> None:
    with SecureClient(listener, issued) as client:
        client.send(get(connection="close"))
        assert client.answer().closes
        assert client.rest() == b""
    with SecureClient(listener, issued) as client:
        client.send(get())
        assert client.answer().status == 200
        listener.each("shutdown")
        assert client.rest() == b""
    with SecureClient(listener, issued) as client:
        client.send(b"POST /echo HTTP/1.1\r\n")
        wait_until(lambda: any(isinstance(each, Connection) for each in listener.connections), "it is in")
        wait_until(lambda: any(getattr(each, "stage", 0) for each in listener.connections), "it has begun")
        listener.pass_time(HEAD_S + 1)
        assert client.answer().status == 408
        listener.pass_time(LINGER_S + 1)
        with contextlib.suppress(ssl.SSLError, ConnectionResetError):
            assert client.rest() == b""
    wait_until(lambda: not listener.connections, "nobody is left")


def test_caller_who_goes_away_is_noticed(listener: Listener, issued: Path, gateway: Knowing) -> None:
    gateway.ends_at_once = False
    client = SecureClient(listener, issued)
    client.send(post())
    wait_until(lambda: gateway.submitted, "his job is submitted")
    client.socket.close()

    wait_until(lambda: not listener.connections, "his connection is gone")


class Callers:
    """Callers in threads, of whom each opens new connections all the time, or keeps one."""

    def __init__(self, listener: Listener, issued: Path) -> None:
        self._listener, self._issued = listener, issued
        #: The certificate's name and the status of each answer; "kept" for those of kept connections.
        self.answered: list[tuple[str, int]] = []
        self.failures: list[BaseException] = []
        self._is_over = threading.Event()
        work = [self._call_anew] * 4 + [self._call_on] * 2
        self._threads = [threading.Thread(target=self._guard, args=(each,), daemon=True) for each in work]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def wait(self) -> None:
        """Waits for some more answers."""
        count = len(self.answered) + 20
        wait_until(lambda: len(self.answered) > count or self.failures, "requests are answered")

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.failures.append(error)

    def _call_anew(self) -> None:
        while not self._is_over.is_set():
            with SecureClient(self._listener, self._issued) as client:
                self.answered.append((client.name, client.ask().status))

    def _call_on(self) -> None:
        with SecureClient(self._listener, self._issued) as client:
            while not self._is_over.is_set():
                self.answered.append(("kept", client.ask().status))


def test_certificate_is_exchanged_under_load_and_no_request_fails(
    listener: Listener, certificate: Certificate, issued: Path, tmp_path: Path
) -> None:
    with Callers(listener, issued) as callers:
        for name in ("second", "server", "second"):
            callers.wait()
            install(issued, tmp_path, name)
            assert listener.run(certificate.renew)
            with SecureClient(listener, issued) as client:
                assert client.name == name
            callers.wait()

    assert not callers.failures
    assert {status for _, status in callers.answered} == {200}
    assert {name for name, _ in callers.answered} == {"server", "second", "kept"}


def test_half_of_a_renewal_changes_nothing(
    certificate: Certificate, issued: Path, files: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    before = certificate.context
    shutil.copy(issued / "second.pem", files[0])

    assert not certificate.renew()
    assert certificate.context is before
    assert "the certificate stays the one before" in caplog.text
    assert "mismatch" in caplog.text

    caplog.clear()
    assert not certificate.renew()
    assert not caplog.records, "each state of the files is told once"

    Path(files[1]).unlink()
    assert not certificate.renew()
    shutil.copy(issued / "second.key", files[1])
    assert certificate.renew()
    assert certificate.context is not before
    assert not certificate.renew()


def test_files_that_cannot_be_used_are_told_with_their_names(issued: Path, tmp_path: Path) -> None:
    cert, key = str(issued / "server.pem"), str(issued / "server.key")
    (tmp_path / "empty").touch()

    for files, wrong in [
        ((cert, str(issued / "second.key")), "mismatch"),
        ((str(tmp_path / "none"), key), "No such file"),
        ((str(tmp_path / "empty"), key), "PEM"),
        ((cert, ""), "ATHENA_TLS_KEY_FILE"),
        (("", key), "ATHENA_TLS_CERT_FILE"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load_certificate(*files)
        assert wrong in caught.value.message
    assert load_certificate("", "") is None


def test_key_with_a_passphrase_is_refused_and_nobody_is_asked(issued: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"

    command = ["openssl", "pkey", "-in", str(issued / "server.key"), "-aes256", "-passout", "pass:secret"]
    subprocess.run([*command, "-out", str(locked)], check=True, timeout=60)

    with pytest.raises(ConfigError) as caught:
        Certificate(str(issued / "server.pem"), str(locked))
    assert "passphrase" in caught.value.message
