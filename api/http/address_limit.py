"""How many connections one address may have."""

import ipaddress
from collections import Counter
from collections.abc import Collection

from athena.setting_values import Network

#: What one address may have at most where no limit is set: this part of all.
SHARE = 4

#: Of IPv6 a whole network belongs to one caller (RFC 6177).
PREFIX_V6 = 64

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class AddressLimit:
    """Counts connections by the addresses that they come from.

    Args:
        limit: for each address; for IPv6 for each /64.
        exempt: networks without a limit, such as those of proxies, whose callers all share one address.
    """

    def __init__(self, limit: int, exempt: Collection[Network] = ()) -> None:
        self.limit = limit
        self._exempt = tuple(exempt)
        self._counts: Counter[str] = Counter()

    def key_of(self, peer: str) -> str:
        """Returns under which name an address is counted; "" where it is not."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            # A socket of this machine has no address.
            return ""
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        # A network of the other version never contains it.
        if any(address in network for network in self._exempt):
            return ""
        if address.version == 4:
            return str(address)
        return str(ipaddress.ip_network((int(address), PREFIX_V6), strict=False))

    def enter(self, key: str) -> bool:
        """Counts one more connection, unless there are as many as there may be; returns whether it did."""
        if not key:
            return True
        if self._counts[key] >= self.limit:
            return False
        self._counts[key] += 1
        return True

    def leave(self, key: str) -> None:
        """Counts one less."""
        if not key:
            return
        self._counts[key] -= 1
        # Else addresses that came once would be remembered for ever.
        if self._counts[key] <= 0:
            del self._counts[key]


def make_address_limit(limit: int, max_connections: int, proxies: Collection[Network]) -> AddressLimit:
    """Returns the limit of a gateway; 0 leaves a part of all to each address, and all to this machine."""
    if limit:
        return AddressLimit(limit, proxies)
    return AddressLimit(max(1, max_connections // SHARE), (*LOOPBACK, *proxies))
