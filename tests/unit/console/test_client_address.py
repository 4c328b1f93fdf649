"""Who a client is, also behind a proxy, and how many seats it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.client_address import Seats, client_of

PROXIES = frozenset({"127.0.0.1", "10.0.0.2"})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("::1", "", "::1"),
        ("", "", ""),
    ],
)
def test_a_client_is_the_last_address_that_a_trusted_proxy_has_said(
    peer: str, forwarded: str, client: str
) -> None:
    """What the client itself wrote into the header stands before it and is not believed."""
    assert client_of(peer, {"X-Forwarded-For": forwarded}, PROXIES) == client


@given(st.text(max_size=300))
def test_no_header_breaks_it(forwarded: str) -> None:
    """Whatever stands there, somebody is known."""
    assert client_of("127.0.0.1", {"X-Forwarded-For": forwarded}, PROXIES)


def test_one_client_cannot_hold_all_seats() -> None:
    """The others find one free; a seat that is left can be taken again."""
    seats = Seats(most=4, per_client=2)

    with seats.take("a"), seats.take("a"):
        assert "from this address" in seats.refusal("a")
        with seats.take("b"), seats.take("b"):
            assert seats.refusal("c") == "Too many browsers are connected."
        assert seats.refusal("b") == ""
    assert seats.refusal("a") == ""
