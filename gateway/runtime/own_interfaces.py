"""Which addresses this machine has in given networks."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Network

import psutil


def own_interfaces(networks: Sequence[IPv4Network | IPv6Network]) -> tuple[IPv4Interface, ...]:
    """Return this machine's IPv4 addresses that lie in *networks*, each with its own network."""
    found = []
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family != socket.AF_INET or not each.netmask:
                continue
            interface = IPv4Interface(f"{each.address}/{each.netmask}")
            if any(interface.ip in network for network in networks):
                found.append(interface)
    return tuple(found)
