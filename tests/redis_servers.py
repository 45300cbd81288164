"""Redis as deployments have it: a master with a replica and sentinels, and a server behind TLS."""

import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from athena.supervisor.redis_server import find_server
from tests.conftest import wait_until
from tests.ports import free_port

MASTER = "main"
PASSWORD = "p@ss/word"
SENTINEL_PASSWORD = "guard"


class Server:
    """One server process, with a password, on a port of 127.0.0.1."""

    def __init__(self, folder: Path, password: str, *options: str) -> None:
        self.port = free_port()
        self._password = password
        self._log = folder / f"{self.port}.log"
        command = [str(find_server().path), *options, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(folder), "--logfile", str(self._log), "--requirepass", password]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def __enter__(self) -> "Server":
        wait_until(self.answers, f"a Redis answers on port {self.port}")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, *command: str) -> Any:
        """Runs one command."""
        options: dict[str, Any] = {"password": self._password, "socket_timeout": 2, "protocol": 2}
        with redis.Redis(port=self.port, **options) as client:
            return client.execute_command(*command)

    def answers(self) -> bool:
        """Whether it can be asked."""
        assert self.process.poll() is None, f"it ended; see {self._log}"
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def kill(self) -> None:
        """Ends it at once, as a power failure does."""
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        """Lets it do nothing for ever: to others it looks like a host that has lost its network."""
        self.process.send_signal(signal.SIGSTOP)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Lets it do nothing: its connections stay, and nothing is answered."""
        self.hang()
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


class SentinelSet:
    """A master, its replica, and three sentinels that watch them."""

    def __init__(self, nodes: tuple[Server, Server], sentinels: list[Server]) -> None:
        self.nodes = nodes
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        """The address for Athena."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"sentinel://:p%40ss%2Fword@{hosts}/{MASTER}/2"

    @property
    def master(self) -> Server:
        """The server that the sentinels name."""
        for sentinel in self.sentinels:
            with suppress(redis.RedisError):
                port = int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError("no sentinel answers")

    def wait_for_replica(self) -> None:
        """Waits until the master has its replica and the sentinels agree on both."""

        def is_whole() -> bool:
            try:
                replica = self.master.ask("INFO", "replication").get("slave0", {})
                return replica.get("state") == "online" and all(map(_is_quorate, self.sentinels))
            except redis.RedisError:
                return False

        wait_until(is_whole, "master, replica and sentinels know each other", 30)

    def wait_for_other_master(self, old: Server) -> None:
        """Waits until the sentinels have made another server the master."""

        def is_other() -> bool:
            try:
                new = self.master
                return new is not old and new.ask("ROLE")[0] == b"master"
            except redis.RedisError:
                return False

        wait_until(is_other, "the sentinels have chosen another master", 30)


def _is_quorate(sentinel: Server) -> bool:
    state = sentinel.ask("SENTINEL", "MASTER", MASTER)
    if not isinstance(state, dict):
        state = dict(zip(map(bytes.decode, state[::2]), map(bytes.decode, state[1::2]), strict=True))
    return int(state["num-slaves"]) == 1 and int(state["num-other-sentinels"]) == 2


@contextmanager
def sentinel_set() -> Iterator[SentinelSet]:
    """Starts one; all of it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="athena-test-"))
    options = ["--appendonly", "yes", "--save", "", "--masterauth", PASSWORD]
    try:
        with ExitStack() as stack:

            def start(name: str, password: str, *more: str) -> Server:
                (folder / name).mkdir()
                return stack.enter_context(Server(folder / name, password, *more))

            master = start("a", PASSWORD, *options)
            replica = start("b", PASSWORD, *options, "--replicaof", "127.0.0.1", str(master.port))
            files = [_sentinel_file(folder, number, master.port) for number in range(3)]
            sentinels = [start(Path(file).stem, SENTINEL_PASSWORD, file, "--sentinel") for file in files]
            running = SentinelSet((master, replica), sentinels)
            running.wait_for_replica()
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sentinel_file(folder: Path, number: int, master_port: int) -> str:
    path = folder / f"sentinel{number}.conf"
    path.write_text(
        f"sentinel monitor {MASTER} 127.0.0.1 {master_port} 2\n"
        f'sentinel auth-pass {MASTER} "{PASSWORD}"\n'
        f"sentinel down-after-milliseconds {MASTER} 500\n"
        f"sentinel failover-timeout {MASTER} 3000\n"
    )
    return str(path)


def make_certificates(folder: Path) -> None:
    """Makes two authorities, `ca.pem` and `other.pem`; the first signs `server.pem` for localhost."""
    for name in ("ca", "other"):
        _openssl(
            folder,
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=Test {name}"),
            *(
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout",
                f"{name}.key",
                "-out",
                f"{name}.pem",
            ),
        )
    issue_certificate(folder, "server")


def issue_certificate(folder: Path, name: str, names: str = "DNS:localhost") -> None:
    """Makes `<name>.pem` and `<name>.key`, signed by the first authority of `make_certificates`."""
    identifiers = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    (folder / "extensions").write_text(f"subjectAltName={names}\n{identifiers}")
    _openssl(
        folder,
        *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
        *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
    )
    _openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", "extensions", "-out", f"{name}.pem"),
    )


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


class TlsProxy:
    """Speaks TLS to the outside and passes all on to a plain server: not every build of Redis has TLS."""

    def __init__(self, certificates: Path, target_port: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._runs = threading.Event()
        self._runs.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "TlsProxy":
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()

    def drop_all(self) -> None:
        """Breaks all connections."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Passes nothing on, and answers no farewell."""
        self._runs.clear()
        try:
            yield
        finally:
            self._runs.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with plain, suppress(OSError):
            plain.settimeout(10)
            target = ("127.0.0.1", self._target_port)
            with (
                self._context.wrap_socket(plain, server_side=True) as outer,
                socket.create_connection(target, 10) as inner,
            ):
                self._open |= {outer, inner}
                self._pass_on(outer, inner)
                self._open -= {outer, inner}

    def _pass_on(self, outer: ssl.SSLSocket, inner: socket.socket) -> None:
        """One thread does both ways: an SSL object is not for two."""
        for one in (outer, inner):
            one.setblocking(False)
        poll = select.poll()
        poll.register(outer, select.POLLIN)
        poll.register(inner, select.POLLIN)
        while True:
            poll.poll()
            self._runs.wait(30)
            for source, sink in ((outer, inner), (inner, outer)):
                while True:
                    try:
                        data = source.recv(65536)
                    except (ssl.SSLWantReadError, BlockingIOError):
                        break
                    if not data:
                        return
                    sink.setblocking(True)
                    sink.sendall(data)
                    sink.setblocking(False)


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[Server, TlsProxy]]:
    """Starts a Redis with a password behind TLS; the folder gets the certificates."""
    make_certificates(folder)
    data = folder / "data"
    data.mkdir()
    with Server(data, PASSWORD, "--save", "") as server, TlsProxy(folder, server.port) as proxy:
        yield server, proxy
