"""Which client a request comes from, also behind a proxy, and how many seats a client has.

Source: RFC 7239 §7.4 and the practice of ``X-Forwarded-For``: each proxy appends the address that
it was called from, so only what a trusted proxy has appended can be believed.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PREFIX_BITS = 64
"""A client of IPv6 has a whole network of so many bits; its addresses count as one."""

MAX_HOPS = 16
"""Most addresses of ``X-Forwarded-For`` that are looked at, from the end."""


def client_of(peer: str, headers: Mapping[str, str], proxies: frozenset[str]) -> str:
    """Return by what the client of a request is known: its address, of IPv6 the network.

    Args:
        peer: Address of the other end of the connection.
        headers: Of the request; ``X-Forwarded-For`` is read only if *peer* is one of *proxies*.
        proxies: Addresses of trusted proxies.
    """
    address = address_of(peer)
    if address is None or str(address) not in proxies:
        return _name(address, peer)
    hops = headers.get("X-Forwarded-For", "").split(",")[-MAX_HOPS:]
    for hop in reversed(hops):
        behind = address_of(hop.strip())
        if behind is None:
            break
        address = behind
        if str(behind) not in proxies:
            break
    return _name(address, peer)


class Seats:
    """Counts the seats of each client and of all.

    Args:
        most: Of all clients together.
        per_client: Of each.
    """

    def __init__(self, most: int, per_client: int) -> None:
        self._most = most
        self._per_client = per_client
        self._taken: Counter[str] = Counter()

    def refusal(self, client: str) -> str:
        """Return why *client* gets no further seat; empty: it does."""
        if self._taken[client] >= self._per_client:
            return f"{self._per_client} browsers are connected from this address."
        if self._taken.total() >= self._most:
            return "Too many browsers are connected."
        return ""

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Hold one seat of *client*."""
        self._taken[client] += 1
        try:
            yield
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


def address_of(text: str) -> Address | None:
    """Return the IP address in *text*, a mapped IPv4 one as such; None: there is none."""
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _name(address: Address | None, peer: str) -> str:
    if address is None:
        return peer
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((address, PREFIX_BITS), strict=False))
    return str(address)
