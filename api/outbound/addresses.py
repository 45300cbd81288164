"""Which IP addresses belong to the public internet, and which IPv4 addresses IPv6 addresses carry inside.

The tables are IANA's special-purpose address registries (RFC 6890); those of `ipaddress` differ between
versions of Python. An entry is not public here even if the registry calls it reachable: no files lie there.
"""

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_V4, _V6 = ipaddress.IPv4Network, ipaddress.IPv6Network

_SPECIAL_V4 = tuple(
    map(
        _V4,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)

#: All that was ever given to the public internet; multicast, local and reserved networks lie elsewhere.
_UNICAST_V6 = _V6("2000::/3")

_SPECIAL_V6 = tuple(
    map(_V6, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20"))
)

#: Their last 32 bits are an IPv4 address: compatible and mapped (RFC 4291), translated (RFC 2765), NAT64
#: (RFC 6052, RFC 8215).
_LAST_32_BITS = tuple(
    map(_V6, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/96"))
)

#: It and `::` before it look like compatible ones, and are none.
_LOOPBACK = 1

_SIX_TO_FOUR = _V6("2002::/16")
_TEREDO = _V6("2001::/32")

#: The upper half of an ISATAP interface identifier (RFC 5214), whatever its u and g bits.
_ISATAP, _ISATAP_MASK = 0x0000_5EFE, 0xFCFF_FFFF


def is_public(address: Address) -> bool:
    """Whether an address, looked at from outside, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


def reached_by(address: Address) -> Iterator[Address]:
    """Yields the addresses that a connection to an address may reach: itself, or those that it carries.

    A tunnel or a translator somewhere on the way takes them out, so they are what has to be judged.
    """
    bits = int(address)
    if isinstance(address, ipaddress.IPv4Address) or bits <= _LOOPBACK:
        yield address
    elif any(address in network for network in _LAST_32_BITS):
        yield ipaddress.IPv4Address(bits & 0xFFFF_FFFF)
    elif address in _SIX_TO_FOUR:
        yield ipaddress.IPv4Address(bits >> 80 & 0xFFFF_FFFF)
    elif address in _TEREDO:
        yield ipaddress.IPv4Address(bits >> 64 & 0xFFFF_FFFF)  # the server
        yield ipaddress.IPv4Address(~bits & 0xFFFF_FFFF)  # the client
    else:
        yield address
        if bits >> 32 & _ISATAP_MASK == _ISATAP:
            yield ipaddress.IPv4Address(bits & 0xFFFF_FFFF)
