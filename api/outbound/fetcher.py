"""Fetches inputs that a request names by URL (`dataSrc: http`), from hosts that the operator allows.

A URL in a request makes this process connect to where a caller wants it to. So the host must be on the list,
the address that its name leads to must be a public one, or one of a network that the operator has listed, and
both are looked at again for every redirect. The connection goes to the very address that was checked.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit
from weakref import WeakValueDictionary

import httpcore

from api.outbound.addresses import Address, is_public, reached_by
from athena.errors import FetchError, Problem
from athena.protocol.references import Reference
from athena.setting_values import HostPattern, Network
from athena.settings import Settings

MAX_REDIRECTS = 5

#: So many downloads run at once, and so many of one host; the others wait for their turn.
MAX_DOWNLOADS = 64
MAX_PER_HOST = 8

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset((301, 302, 303, 307, 308))


class RefusedAddressError(Exception):
    """A host's address is not one that may be connected to."""


@dataclass(frozen=True)
class FetchPolicy:
    """What may be fetched.

    Attributes:
        hosts: whose names are allowed; empty means that nothing is.
        networks: addresses that are allowed although they are not public.
    """

    hosts: tuple[HostPattern, ...] = ()
    networks: tuple[Network, ...] = ()

    def check_url(self, url: str) -> SplitResult:
        """Returns a URL in its parts.

        Raises:
            ValueError: it is none, or its host is not on the list; the message says which.
        """
        parts = urlsplit(url)
        port = parts.port
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("must be an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a user name or a password")
        default = _PORTS[parts.scheme]
        if not any(pattern.allows(parts.hostname, port or default, default) for pattern in self.hosts):
            raise ValueError(f"names the host {parts.netloc!r}, which is not on the list of allowed hosts")
        return parts

    def allows(self, address: Address) -> bool:
        """Whether an address may be connected to."""
        return all(self._allows(reached) for reached in reached_by(address))

    def _allows(self, address: Address) -> bool:
        return is_public(address) or any(
            address in network for network in self.networks if network.version == address.version
        )


#: So long one of several addresses of a host may take to answer before the next one is tried.
NEXT_ADDRESS_S = 2.0


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that the policy allows, and to no others."""

    def __init__(self, policy: FetchPolicy, resolvers: Executor) -> None:
        self._policy = policy
        self._resolvers = resolvers
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects to a host.

        Raises:
            RefusedAddressError: one of its addresses is not allowed.
            httpcore.ConnectError: it has none, or cannot be reached.
        """
        *others, last = await self._resolve(host, port)
        # A name may lead to an address at which nobody listens, or to a network that does not work from here.
        for address in others:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(
                    str(address), port, NEXT_ADDRESS_S, local_address, socket_options
                )
        return await self._inner.connect_tcp(str(last), port, timeout, local_address, socket_options)

    async def _resolve(self, host: str, port: int) -> list[Address]:
        resolve = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._resolvers, resolve)
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error.strerror}") from None
        addresses = [ipaddress.ip_address(str(item[4][0])) for item in found]
        for address in addresses:
            if not self._policy.allows(address):
                raise RefusedAddressError(f"the host {host!r} leads to an address that is not allowed")
        return addresses


class Turns:
    """Who may download: a slow host holds up those who want something from it, and nobody else."""

    def __init__(self, total: int, per_host: int) -> None:
        self._total = asyncio.Semaphore(total)
        self._per_host = per_host
        # Forgotten when nobody downloads from the host or waits for it.
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def of(self, host: str) -> AsyncIterator[None]:
        """Waits for a turn, first among those of the host, and holds it."""
        turns = self._hosts.get(host)
        if turns is None:
            turns = self._hosts[host] = asyncio.Semaphore(self._per_host)
        # In this order: who waits for a slow host holds no place that others could use.
        async with turns, self._total:
            yield


class Fetcher:
    """Downloads over HTTP within limits.

    Args:
        policy: what may be fetched.
        timeout_s: how long all inputs of a request may take together, waiting for a turn included.
    """

    def __init__(self, policy: FetchPolicy, timeout_s: float) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._turns = Turns(MAX_DOWNLOADS, MAX_PER_HOST)
        # Of its own: the loop's resolver has four threads, and Redis' name is looked up there as well.
        self._resolvers = ThreadPoolExecutor(MAX_DOWNLOADS, "resolver")

    async def fetch_all(self, references: Sequence[Reference], limit_bytes: int) -> dict[str, bytes]:
        """Returns input key -> bytes.

        Args:
            references: what to fetch.
            limit_bytes: how many bytes all of them may have together.

        Raises:
            FetchError: one could not be fetched, or fetching is switched off.
        """
        if not self._policy.hosts:
            detail = "cannot be fetched: this gateway allows no host (ATHENA_FETCH_HOSTS)"
            problem = Problem(references[0].pointer, detail)
            raise FetchError("inputs are not fetched here", problems=(problem,))
        data: dict[str, bytes] = {}
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        for item in references:
            left_bytes = limit_bytes - sum(map(len, data.values()))
            data[item.key] = await self.fetch(item.url, left_bytes, item.pointer, deadline_s)
        return data

    async def fetch(self, url: str, limit_bytes: int, pointer: str, deadline_s: float) -> bytes:
        """Returns what a URL leads to, until a time of the loop's clock.

        Raises:
            FetchError: it may not be fetched, is too large, or did not come in time; `pointer` is where the
                request names it.
        """
        try:
            backend = GuardedBackend(self._policy, self._resolvers)
            async with (
                asyncio.timeout_at(deadline_s),
                httpcore.AsyncConnectionPool(network_backend=backend) as pool,
            ):
                return await self._follow(pool, url, limit_bytes)
        except TimeoutError:
            detail = f"could not be fetched within {self._timeout_s:g} s"
        except (ValueError, RefusedAddressError) as error:
            detail = str(error)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            detail = f"could not be fetched: {str(error) or type(error).__name__}"
        except OSError as error:
            detail = f"could not be fetched: {error.strerror or type(error).__name__}"
        raise FetchError("an input could not be fetched", problems=(Problem(pointer, detail),))

    async def _follow(self, pool: httpcore.AsyncConnectionPool, url: str, limit_bytes: int) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            parts = self._policy.check_url(url)
            target = httpcore.URL(
                scheme=parts.scheme.encode(),
                host=(parts.hostname or "").encode("idna"),
                port=parts.port,
                target=_target(parts),
            )
            headers = [(b"Host", parts.netloc.encode("idna")), (b"Accept-Encoding", b"identity")]
            host = f"{target.host.decode().lower()}:{target.port or _PORTS[parts.scheme]}"
            async with self._turns.of(host), pool.stream("GET", target, headers=headers) as response:
                location = _header(response, b"location")
                if response.status in _REDIRECTS and location:
                    # This host's turn ends with the response, before that of the next one is waited for.
                    url = urljoin(url, location.decode("latin-1"))
                    continue
                if response.status != 200:
                    raise ValueError(f"answered with status {response.status}")
                coding = _header(response, b"content-encoding").lower()
                if coding not in (b"", b"identity"):
                    raise ValueError(
                        f"is packed ({coding.decode('latin-1')}) though it was asked for as it is"
                    )
                return await _read(response, limit_bytes)
        raise ValueError(f"leads through more than {MAX_REDIRECTS} redirects")


def _target(parts: SplitResult) -> bytes:
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    if not target.isascii() or any(letter <= " " or letter == "\x7f" for letter in target):
        raise ValueError("holds characters that a URL must write as %XX")
    return target.encode()


def _header(response: httpcore.Response, name: bytes) -> bytes:
    return next((value for key, value in response.headers if key.lower() == name), b"")


async def _read(response: httpcore.Response, limit_bytes: int) -> bytes:
    data = bytearray()
    async for piece in response.aiter_stream():
        data += piece
        if len(data) > limit_bytes:
            raise ValueError(f"has more than {limit_bytes} bytes")
    return bytes(data)


def make_fetcher(settings: Settings) -> Fetcher:
    """Returns the fetcher that the settings describe."""
    return Fetcher(FetchPolicy(settings.fetch_hosts, settings.fetch_networks), settings.fetch_timeout_s)
