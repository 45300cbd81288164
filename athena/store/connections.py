"""The one place that makes connections to Redis, whatever the kind of its address.

No connection repeats a command by itself, every socket has a time limit, and a connection to a server that
became a replica breaks. With Sentinel, each new connection asks the sentinels for the master of that moment.
"""

import threading
from typing import Any

import redis
from redis.asyncio import connection as async_connection
from redis.asyncio import sentinel as async_sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection

from athena.store.address import RedisAddress, address_of
from athena.store.lookups import Lookups

#: A host that does not take a connection within this time is asked again.
CONNECT_TIMEOUT_S = 3.0

#: Sentinels answer from memory; one that does not answer soon is passed over.
SENTINEL_TIMEOUT_S = 1.0

_LOOKUPS = Lookups()

#: A replica refuses writes, wakes who was blocked as it became one, and may refuse reads without its master.
_DEMOTED = ("READONLY", "UNBLOCKED", "MASTERDOWN")


def was_demoted(error: ResponseError) -> bool:
    """Whether an error says that the server is not the master any more."""
    text = str(error)
    # Redis 6.2 wraps an error inside a script into one of its own.
    return isinstance(error, ReadOnlyError) or text.startswith(_DEMOTED) or "-READONLY" in text


def demoted_error() -> RedisConnectionError:
    """Returns the error with which a connection to a server breaks that is not the master any more."""
    return RedisConnectionError("this server is a replica now; looking for the master")


class _MasterOnly:
    """Breaks a connection to a server that was made a replica."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        base: Any = super()
        try:
            return base.read_response(*args, **options)
        except ResponseError as error:
            if not was_demoted(error):
                raise
            # redis-py keeps a connection that brought an error. A new one leads to the present master.
            self.disconnect()  # type: ignore[attr-defined]
            raise demoted_error() from error


class _ByName:
    """Does not look a host's name up again that no name server answered for a moment ago."""

    def _connect(self) -> Any:
        base: Any = super()
        with _LOOKUPS.of(self.host):  # type: ignore[attr-defined]
            return base._connect()


class _PlainConnection(_ByName, redis.Connection):
    pass


class _TcpConnection(_ByName, _MasterOnly, redis.Connection):
    pass


class _TlsConnection(_ByName, _MasterOnly, SSLConnection):
    pass


class _SocketConnection(_MasterOnly, UnixDomainSocketConnection):
    pass


class _ManagedConnection(_ByName, _MasterOnly, SentinelManagedConnection):
    """Asks the server too: a sentinel may not know yet that its master has changed."""

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        self.send_command("ROLE", check_health=False)
        if self.read_response(disable_decoding=True)[0] != b"master":
            raise demoted_error()


class _Sentinels(Sentinel):
    """Leaves no connection to a sentinel open: the next question comes days later."""

    def __init__(self, address: RedisAddress, timeout_s: float) -> None:
        limit_s = min(timeout_s, SENTINEL_TIMEOUT_S)
        # A sentinel has neither databases nor the master's users, and a password of its own.
        options = {**_options(address, limit_s), "db": 0, "username": None}
        options["password"] = address.sentinel_password or None
        options["retry"] = Retry(NoBackoff(), 0)
        super().__init__(list(address.hosts), sentinel_kwargs=options)
        for sentinel in self.sentinels:
            sentinel.connection_pool.connection_class = _PlainConnection
        self._address = address
        self._lock = threading.Lock()

    def discover_master(self, service_name: str) -> Any:
        # Inference threads share it: one would close the connections on which another one asks.
        with self._lock:
            try:
                return super().discover_master(service_name)
            except RedisError as error:
                raise _no_master(self._address, error) from None
            finally:
                for sentinel in self.sentinels:
                    sentinel.connection_pool.disconnect()


def _no_master(address: RedisAddress, error: RedisError) -> RedisConnectionError:
    # redis-py lists `<sentinel> - <error>`; the last error stands for all.
    reason = str(error).rpartition(" - ")[2] if " - " in str(error) else "they do not know it"
    if "AuthenticationError" in reason:
        reason = "they ask for a password, which ATHENA_SENTINEL_PASSWORD sets"
    return RedisConnectionError(
        f"no sentinel of {address.shown_hosts} names a master {address.master_name!r}: {reason}"
    )


def _options(address: RedisAddress, timeout_s: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.username or None,
        "password": address.password or None,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": min(timeout_s, CONNECT_TIMEOUT_S),
        "health_check_interval": 0,
        # Answers are read as flat lists; with RESP3, some would be maps.
        "protocol": 2,
    }
    if address.scheme == "unix":
        options["path"] = address.path
    elif address.scheme in ("redis", "rediss"):
        options["host"], options["port"] = address.hosts[0]
    if address.scheme == "rediss":
        options.update(tls_options(address))
    return options


def tls_options(address: RedisAddress) -> dict[str, Any]:
    """Returns what redis-py, and Celery's `broker_use_ssl`, must know of TLS."""
    files = {
        "ssl_ca_certs": address.tls.ca_file,
        "ssl_certfile": address.tls.cert_file,
        "ssl_keyfile": address.tls.key_file,
    }
    named = {name: file for name, file in files.items() if file}
    return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **named}


_CLASSES: dict[str, type] = {
    "redis": _TcpConnection,
    "rediss": _TlsConnection,
    "unix": _SocketConnection,
    "sentinel": _ManagedConnection,
}


def pool_of(
    target: RedisAddress | str, timeout_s: float, mixin: type | None = None, **more: Any
) -> ConnectionPool:
    """Returns a pool of connections, none of them connected yet.

    Args:
        target: the address, or its URL.
        timeout_s: how long a reply may take.
        mixin: a class that the connections shall have as their first base.
        more: further options of redis-py's connections.
    """
    address = address_of(target)
    kind = _CLASSES[address.scheme]
    if mixin is not None:
        kind = type("Connection", (mixin, kind), {})
    # redis-py would repeat a command whose reply was lost, and it may have been carried out.
    options = {**_options(address, timeout_s), "retry": Retry(NoBackoff(), 0), **more}
    if address.scheme != "sentinel":
        return ConnectionPool(connection_class=kind, **options)
    sentinels = _Sentinels(address, timeout_s)
    return SentinelConnectionPool(address.master_name, sentinels, connection_class=kind, **options)


def client_of(target: RedisAddress | str, timeout_s: float, **more: Any) -> redis.Redis:
    """Returns a client that raises on the first error instead of sending a command twice.

    `more` is as for `pool_of`.
    """
    return redis.Redis.from_pool(pool_of(target, timeout_s, **more))


class _ClosedAtOnce:
    """Leaves no connection half closed.

    A closed transport still waits for what it has to write, and under TLS for the other side's farewell.
    """

    async def disconnect(self, *args: Any, **options: Any) -> None:
        base: Any = super()
        writer = self._writer  # type: ignore[attr-defined]
        try:
            await base.disconnect(*args, **options)
        finally:
            if writer is not None:
                writer.transport.abort()


class _AsyncMasterOnly(_ClosedAtOnce):
    """Breaks a connection to a server that was made a replica."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        base: Any = super()
        try:
            return await base.read_response(*args, **options)
        except ResponseError as error:
            if not was_demoted(error):
                raise
            await self.disconnect(nowait=True)
            raise demoted_error() from error


class _AsyncTcpConnection(_AsyncMasterOnly, async_connection.Connection):
    pass


class _AsyncTlsConnection(_AsyncMasterOnly, async_connection.SSLConnection):
    pass


class _AsyncSocketConnection(_AsyncMasterOnly, async_connection.UnixDomainSocketConnection):
    pass


class _AsyncManagedConnection(_AsyncMasterOnly, async_sentinel.SentinelManagedConnection):
    """Asks the server too: a sentinel may not know yet that its master has changed."""

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        await self.send_command("ROLE", check_health=False)
        if (await self.read_response(disable_decoding=True))[0] != b"master":
            raise demoted_error()


class _AsyncSentinels(async_sentinel.Sentinel):
    """Leaves no connection to a sentinel open: the next question comes days later."""

    def __init__(self, address: RedisAddress, timeout_s: float) -> None:
        limit_s = min(timeout_s, SENTINEL_TIMEOUT_S)
        options = {**_options(address, limit_s), "db": 0, "username": None}
        options["password"] = address.sentinel_password or None
        options["retry"] = AsyncRetry(NoBackoff(), 0)
        super().__init__(list(address.hosts), sentinel_kwargs=options)
        self._address = address

    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except RedisError as error:
            raise _no_master(self._address, error) from None
        finally:
            for sentinel in self.sentinels:
                await sentinel.connection_pool.disconnect()


_ASYNC_CLASSES: dict[str, type] = {
    "redis": _AsyncTcpConnection,
    "rediss": _AsyncTlsConnection,
    "unix": _AsyncSocketConnection,
    "sentinel": _AsyncManagedConnection,
}


class AsyncConnector:
    """Makes connections for an event loop."""

    def __init__(self, target: RedisAddress | str, timeout_s: float) -> None:
        address = address_of(target)
        kind = _ASYNC_CLASSES[address.scheme]
        options = {**_options(address, timeout_s), "retry": AsyncRetry(NoBackoff(), 0)}
        # Connections of sentinels refer to their pool, and do not keep it alive.
        self._pool: Any
        if address.scheme == "sentinel":
            sentinels = _AsyncSentinels(address, timeout_s)
            self._pool = async_sentinel.SentinelConnectionPool(
                address.master_name, sentinels, connection_class=kind, **options
            )
        else:
            self._pool = async_connection.ConnectionPool(connection_class=kind, **options)

    def connection(self) -> async_connection.AbstractConnection:
        """Returns a connection, not connected yet."""
        made: async_connection.AbstractConnection = self._pool.make_connection()
        return made
