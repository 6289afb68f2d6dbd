"""Tells public IP addresses from local, private and reserved ones.

A client that fetches a URL given by somebody else must not be led to a router, a cloud's metadata service or a
database on the local network.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

__all__ = ["is_address", "is_loopback", "is_public"]

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Tell whether a numeric address is public unicast. An IPv6 address that embeds an IPv4 one is judged by that."""
    parsed = _parsed(address)
    if parsed is None or parsed.is_multicast:
        return False
    if isinstance(parsed, IPv4Address):
        return parsed.is_global
    if parsed.teredo is not None:
        return False
    inner = parsed.ipv4_mapped or parsed.sixtofour
    if inner is None and parsed in _NAT64:
        inner = IPv4Address(int(parsed) & 0xFFFF_FFFF)
    if inner is not None:
        return inner.is_global and not inner.is_multicast
    return parsed in _UNICAST and parsed.is_global


def is_address(host: str) -> bool:
    """Tell whether a host is a numeric address."""
    return _parsed(host) is not None


def is_loopback(address: str) -> bool:
    """Tell whether a numeric address is a loopback address."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed is not None and parsed.is_loopback


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address.partition("%")[0])
    except ValueError:
        return None
