"""Which addresses may be asked: inside the camera networks, and no more than a site has.

A network of more than `MOST_ADDRESSES` is not gone through address by address. Of it those are
asked that answer a multicast, that this machine has spoken with (its neighbours), and that are in
the network of one of its own interfaces.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import islice
from pathlib import Path

import psutil

from gateway.runtime.resolver import Address

MOST_ADDRESSES = 4_096
"""That one discovery goes through: a /20."""

Network = IPv4Network | IPv6Network

NEIGHBOURS = Path("/proc/net/arp")
_LARGEST_TABLE_BYTES = 1_048_576
_NEIGHBOUR = re.compile(
    r"([0-9.]{7,15})\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s"
)
_COMPLETE = 0x2


@dataclass(frozen=True, slots=True)
class Plan:
    """Which addresses a discovery goes through.

    Attributes:
        addresses: Each once, in order.
        too_large: Networks that it does not go through.
    """

    addresses: tuple[str, ...]
    too_large: tuple[Network, ...]


def permits(networks: Sequence[Network], address: str) -> bool:
    """Return whether *address* is one of a device inside *networks*."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if found.is_multicast or found.is_unspecified or getattr(found, "ipv4_mapped", None):
        return False
    return any(_holds(network, found) for network in networks)


def is_part(network: Network, of: Network) -> bool:
    """Return whether all of *network* lies in the network *of*."""
    if isinstance(network, IPv4Network):
        return isinstance(of, IPv4Network) and network.subnet_of(of)
    return isinstance(of, IPv6Network) and network.subnet_of(of)


def _holds(network: Network, address: Address) -> bool:
    if address.version != network.version or address not in network:
        return False
    if network.version == 4 and network.prefixlen < 31:
        return address not in (network.network_address, network.broadcast_address)
    return True


def plan(
    networks: Sequence[Network],
    known: Iterable[str],
    own: Iterable[IPv4Network] = (),
    *,
    most: int = MOST_ADDRESSES,
) -> Plan:
    """Return which addresses of *networks* are gone through.

    Args:
        networks: Small ones are gone through, the first first, until there are *most*.
        known: Addresses that are asked in any case, if they are inside.
        own: Networks of this machine's interfaces: of a large network that part is gone through.
        most: Addresses in all.
    """
    too_large: list[Network] = []
    found = dict.fromkeys(each for each in known if permits(networks, each))
    for network in networks:
        parts: list[Network] = [network]
        if network.num_addresses > most:
            too_large.append(network)
            parts = list(_parts(network, own, most))
        for part in parts:
            if len(found) + part.num_addresses > most + _NO_HOSTS:
                too_large.append(network)
            else:
                found |= dict.fromkeys(map(str, part.hosts()))
    return Plan(tuple(islice(found, most)), tuple(dict.fromkeys(too_large)))


_NO_HOSTS = 2
"""Of an IPv4 network: its own address and that of its broadcast."""


def _parts(network: Network, own: Iterable[IPv4Network], most: int) -> Iterator[Network]:
    """Yield those of *own* that lie in *network* and can be gone through."""
    for each in own:
        if (
            isinstance(network, IPv4Network)
            and each.num_addresses <= most
            and each.subnet_of(network)
        ):
            yield each


def own_interfaces(networks: Sequence[Network]) -> tuple[ipaddress.IPv4Interface, ...]:
    """Return this machine's IPv4 addresses that lie in *networks*, each with its network."""
    found = []
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family != socket.AF_INET or not each.netmask:
                continue
            if permits(networks, each.address):
                found.append(ipaddress.IPv4Interface(f"{each.address}/{each.netmask}"))
    return tuple(found)


def neighbours(path: Path = NEIGHBOURS) -> dict[str, str]:
    """Return the MAC addresses of this machine's neighbours, by IP address, as the kernel has them.

    Of devices behind a router there are none. Source: proc_net_arp(5).
    """
    try:
        with path.open("rb") as file:
            table = file.read(_LARGEST_TABLE_BYTES).decode("ascii", "replace")
    except OSError:
        return {}
    found = {}
    for line in table.splitlines()[1:]:
        match = _NEIGHBOUR.match(line)
        if match and int(match[2], 16) & _COMPLETE and match[3] != "00:00:00:00:00:00":
            found[str(IPv4Address(match[1]))] = match[3]
    return found
