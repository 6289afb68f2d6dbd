"""Which addresses count as public, for URLs of unknown origin."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.addresses import is_loopback, is_public

NOT_PUBLIC = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.2.0/24 192.168.0.0/16
    198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
"""The IANA's special registries, written down by hand; 192.0.0.0/24 is left out, where some are and some aren't."""
RESERVED = [IPv4Network(network) for network in NOT_PUBLIC.split()]
MIXED = IPv4Network("192.0.0.0/24")

v4 = st.integers(0, 2**32 - 1).map(IPv4Address) | st.sampled_from(RESERVED).flatmap(
    lambda network: st.integers(0, network.num_addresses - 1).map(lambda offset: network[offset])
)


@given(v4)
def test_an_ipv4_address_is_public_unless_a_registry_has_it(address: IPv4Address) -> None:
    if address not in MIXED:
        assert is_public(str(address)) == (not any(address in network for network in RESERVED))


@given(v4, st.sampled_from(["::ffff:0:0/96", "64:ff9b::/96", "2002::/16"]))
def test_an_ipv4_address_inside_an_ipv6_one_is_as_public_as_itself(address: IPv4Address, wrapper: str) -> None:
    network = IPv6Network(wrapper)
    wrapped = IPv6Address(
        int(network.network_address) | int(address) << (128 - 32 - network.prefixlen if network.prefixlen == 16 else 0)
    )
    assert is_public(str(wrapped)) == is_public(str(address))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_an_ipv6_address_outside_global_unicast_wraps_an_ipv4_one_or_is_not_public(address: IPv6Address) -> None:
    wraps = address.ipv4_mapped is not None or address in IPv6Network("64:ff9b::/96")
    if address not in IPv6Network("2000::/3") and not wraps:
        assert not is_public(str(address))


OURS = """
    :: ::1 fe80::1 fe80::1%eth0 fc00::1 fec0::1 ff02::1 2001:db8::1 2001:0:a00:1::1 ::7f00:1
    localhost 127.1 2130706433 1.1.1.1.1
"""


@pytest.mark.parametrize("address", OURS.split())
def test_what_is_this_machines_or_this_networks_or_no_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


def test_loopback_is_this_machine_and_nothing_else() -> None:
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert is_loopback(address)
    for address in ("0.0.0.0", "10.0.0.1", "::", "localhost", "1.1.1.1"):
        assert not is_loopback(address)
