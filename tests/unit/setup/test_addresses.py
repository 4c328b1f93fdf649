"""Who is near."""

from __future__ import annotations

import pytest

from gateway.setup.addresses import is_within, local_addresses, local_networks


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "192.168.1.5", "172.31.0.1", "169.254.7.7", "fd00::5", "fe80::1%eth0"],
)
def test_a_local_address_is_near(address: str) -> None:
    """Private, link-local and unique local ones."""
    assert is_within(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8", "", "localhost"],
)
def test_any_other_is_not(address: str) -> None:
    """Public ones, a carrier's, names, nonsense."""
    assert not is_within(address)


def test_an_address_of_ipv4_within_ipv6_is_itself() -> None:
    """As a socket for both says it."""
    assert is_within("::ffff:192.168.1.5")


def test_the_page_listens_at_addresses_that_a_browser_can_name() -> None:
    """Neither loopback, nor a link's, nor a public one."""
    for address in local_addresses():
        assert is_within(address)
        assert not address.startswith(("127.", "fe80", "::1"))


def test_the_networks_of_this_machine_are_small_and_hold_its_addresses() -> None:
    """What a discovery can go through, and no more than the person would mean."""
    networks = local_networks()

    assert all(each.num_addresses <= 4096 for each in networks)
    for address in filter(lambda each: ":" not in each, local_addresses()):
        assert is_within(address, networks)
