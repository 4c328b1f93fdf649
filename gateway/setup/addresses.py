"""Who is near: the addresses of a local network, and those that this machine has in one."""

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


def local_addresses() -> tuple[str, ...]:
    """Return the addresses at which a browser of the local network reaches this machine.

    Not those of loopback, of containers, and of IPv6's link alone, which no URL can name.
    """
    found = [
        each.address
        for name, addresses in psutil.net_if_addrs().items()
        if not name.startswith(_OF_CONTAINERS)
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6)
    ]
    return tuple(
        each
        for each in found
        if is_within(each)
        and not ipaddress.ip_address(each.partition("%")[0]).is_loopback
        and not each.lower().startswith("fe80")
    )
