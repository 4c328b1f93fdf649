"""Who is near: the addresses of a local network, and those and the networks of this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import psutil

LOCAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "127.0.0.0/8",
            "fc00::/7",
            "fe80::/10",
            "::1/128",
        ),
    )
)
"""RFC 1918, RFC 3927, RFC 4193, RFC 4291 §2.5.6, loopback."""

_OF_CONTAINERS = ("docker", "br-", "veth", "virbr", "cni", "podman")
"""Interfaces that lead to nobody outside of this machine."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_within(address: str, networks: Iterable[Network] = LOCAL) -> bool:
    """Return whether *address* is in one of *networks*; IPv4 within IPv6 is looked at as IPv4."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


LARGEST_PREFIX = 20
"""Of an IPv4 network that is taken whole: as much as a discovery goes through."""


def local_addresses() -> tuple[str, ...]:
    """Return the addresses at which a browser of the local network reaches this machine.

    Not those of loopback, of containers, and of IPv6's link alone, which no URL can name.
    """
    return tuple(address for address, _ in _interfaces())


def local_networks() -> tuple[ipaddress.IPv4Network, ...]:
    """Return the IPv4 networks that this machine is in; of a large one the /24 around it."""
    found: dict[ipaddress.IPv4Network, None] = {}
    for address, netmask in _interfaces():
        if ":" in address or not netmask:
            continue
        whole = ipaddress.IPv4Interface(f"{address}/{netmask}").network
        around = ipaddress.IPv4Interface(f"{address}/24").network
        found[whole if whole.prefixlen >= LARGEST_PREFIX else around] = None
    return tuple(found)


def _interfaces() -> tuple[tuple[str, str | None], ...]:
    """Return address and netmask of each interface that a neighbour reaches."""
    found = [
        (each.address, each.netmask)
        for name, addresses in psutil.net_if_addrs().items()
        if not name.startswith(_OF_CONTAINERS)
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6)
    ]
    return tuple(
        (address, netmask)
        for address, netmask in found
        if is_within(address)
        and not ipaddress.ip_address(address.partition("%")[0]).is_loopback
        and not address.lower().startswith("fe80")
    )
