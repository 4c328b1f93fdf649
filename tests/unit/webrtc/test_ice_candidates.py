"""To which addresses a viewer can make us send, and to which it cannot, however it spells them."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from aiortc.sdp import candidate_from_sdp
from hypothesis import given
from hypothesis import strategies as st

from gateway.webrtc.ice_candidates import (
    candidate_line,
    is_usable_address,
    to_rtc_ice_servers,
    usable_candidates,
)

CAMERAS = (ip_network("192.168.1.0/24"), ip_network("2001:db8:cafe::/48"))

FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "192.168.1.10",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
]
ALLOWED = ["8.8.8.8", "203.0.113.7", "10.20.30.40", "172.16.9.9", "192.168.2.10", "100.64.1.1"]

SPELLINGS: dict[str, Callable[[int], int]] = {
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "nat64": lambda v4: 0x64FF9B << 96 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80 | 1,
    "teredo client": lambda v4: 0x20010000 << 96 | 0x08080808 << 64 | (v4 ^ 0xFFFF_FFFF),
    "teredo server": lambda v4: 0x20010000 << 96 | v4 << 64 | (0x08080808 ^ 0xFFFF_FFFF),
    "isatap": lambda v4: 0x20010DB8 << 96 | 0x5EFE << 32 | v4,
    "isatap, global": lambda v4: 0x20010DB8 << 96 | 0x02005EFE << 32 | v4,
}


def checked(address: object, port: int = 5_000) -> list[str]:
    """The addresses that are checked for a candidate of *address*."""
    lines = [f"candidate:1 1 udp 2113 {address} {port} typ host"]
    return [each.ip for each in usable_candidates(lines, forbidden_networks=CAMERAS)]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_none_of_the_viewers_business_is_dropped(address: str) -> None:
    """This machine, the link, the cameras, everybody at once, nobody."""
    assert checked(address) == []


@pytest.mark.parametrize("address", ALLOWED)
def test_an_address_where_a_viewer_may_be_is_checked(address: str) -> None:
    """Public, private, behind the NAT of a provider."""
    assert checked(address) == [address]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_is_refused_in_every_spelling(address: str, spelling: str) -> None:
    """IPv6 that a kernel, a translator or a tunnel takes to it."""
    assert checked(IPv6Address(SPELLINGS[spelling](int(IPv4Address(address))))) == []


@given(number=st.integers(0, 2**32 - 1), spelling=st.sampled_from(sorted(SPELLINGS)))
def test_a_spelling_is_judged_like_what_it_means(number: int, spelling: str) -> None:
    """Whatever the address."""
    meant = is_usable_address(IPv4Address(number), CAMERAS)

    assert is_usable_address(IPv6Address(SPELLINGS[spelling](number)), CAMERAS) == meant


def test_a_mapped_address_is_checked_as_what_it_is() -> None:
    """Aioice pairs by family, and compares texts."""
    assert checked("::ffff:203.0.113.7") == ["203.0.113.7"]


@pytest.mark.parametrize(
    "address",
    [
        "::",
        "::1",
        "::7f00:1",  # IPv4-compatible, deprecated
        "::127.0.0.1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "100::1",  # discard only
        "64:ff9b:1::c0a8:10a",  # NAT64 of one site: its prefix says nothing of where IPv4 stands
        "2001:db8:cafe::9",
        "4000::1",
    ],
)
def test_an_ipv6_address_where_no_viewer_is_is_dropped(address: str) -> None:
    """Only global and unique local unicast, outside of the camera networks."""
    assert checked(address) == []


@pytest.mark.parametrize("address", ["2001:db8::7", "2405:4800::1", "fd00::7"])
def test_an_ipv6_address_where_a_viewer_may_be_is_checked(address: str) -> None:
    """Global, unique local."""
    assert checked(address) == [address]


@pytest.mark.parametrize(
    "line",
    [
        "1 1 udp 1 c273d855-0fce-42bc-b3bd-9cbfe8202f56.local 44558 typ host",
        "1 1 tcp 1 203.0.113.1 9 typ host tcptype active",
        "1 2 udp 1 203.0.113.1 5000 typ host",  # aioice asserts that it is component 1
        "1 1 udp 1 203.0.113.1 0 typ host",
        "1 1 udp 1 203.0.113.1 65536 typ host",
        "1 1 udp 1 999.0.0.1 5000 typ host",
        "1 1 udp 1 0x7f.1 5000 typ host",
        "1 1 udp 1 2130706433 5000 typ host",
        "1 1 udp 1 127.1 5000 typ host",
        "1 1 udp 1 010.0.0.1 5000 typ host",
        "1 1 udp 1 fe80::1%eth0 5000 typ host",
        "1 1 udp 1 [::1] 5000 typ host",
        "",
    ],
)
def test_what_is_no_plain_udp_candidate_is_dropped(line: str) -> None:
    """Names, TCP, another component, odd spellings, nonsense."""
    assert usable_candidates([line], forbidden_networks=()) == ()


def test_an_honest_address_is_kept() -> None:
    """With or without the prefix, and whatever follows."""
    lines = [
        "candidate:1 1 udp 2113 203.0.113.7 5000 typ host generation 0",
        "2 1 UDP 1 2001:db8::7 5001 typ srflx raddr 10.0.0.1 rport 9",
    ]

    found = usable_candidates(lines, forbidden_networks=())

    assert [(c.ip, c.port) for c in found] == [("203.0.113.7", 5000), ("2001:db8::7", 5001)]


@given(st.text())
def test_no_candidate_line_does_more_than_be_dropped(line: str) -> None:
    """Whatever a viewer writes."""
    assert len(usable_candidates([line], forbidden_networks=())) <= 1


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.integers(-1, 70_000))
def test_what_is_kept_is_an_address_that_passes(address: object, port: int) -> None:
    """Whatever is named."""
    for each in checked(address, port):
        assert is_usable_address(ip_address(each), CAMERAS)
        assert 0 < port < 65_536


def test_the_ice_servers_are_explicit_even_when_there_are_none() -> None:
    """Aiortc's default is a public server."""
    assert to_rtc_ice_servers([]) == []


@pytest.mark.parametrize(
    "line",
    [
        "0123abc 1 udp 2130706431 192.0.2.7 50000 typ host",
        "f 1 udp 1694498815 2001:db8::1 50001 typ srflx raddr 192.168.1.2 rport 50000",
        "f 1 udp 16777215 192.0.2.9 3478 typ relay raddr 192.0.2.7 rport 9",
    ],
)
def test_candidates_are_written_as_aiortc_reads_them(line: str) -> None:
    """And read as it reads them, the related address aside, which we have no use for."""
    candidate = candidate_from_sdp(line)
    plain = candidate_from_sdp(line.split(" raddr")[0])

    assert candidate_line(candidate) == line
    assert usable_candidates([f"candidate:{line}"], forbidden_networks=()) == (plain,)
