"""Which ICE servers and candidates a session may use.

A viewer's candidates are addresses that we send checks to, so they are hostile input. Only UDP and
literal addresses are used, none of loopback or the link and none of the camera networks: a viewer
could else make us send to the site's own devices. An IPv6 address that stands for an IPv4 one is
refused like that one.

References: RFC 4291 §2.5.5 (IPv4-mapped), RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo),
RFC 5214 (ISATAP), RFC 6890 (special-purpose addresses).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from aiortc import RTCIceCandidate, RTCIceServer

from gateway.model.signalling import IceServer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_CANDIDATE = re.compile(
    r"(?:candidate:)?([\x21-\x7e]{1,64} 1 (?:udp|UDP) [0-9]{1,10} [0-9A-Fa-f:.]{2,45} [0-9]{1,5}"
    r" typ (?:host|srflx|relay))(?: .{0,200})?"
)
_USABLE_V6 = tuple(
    map(ipaddress.IPv6Network, ("2000::/3", "fc00::/7", "64:ff9b::/96", "::ffff:0:0/96"))
)
"""Global and unique local unicast, NAT64 and IPv4-mapped; in all else there is no viewer."""

_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def usable_candidates(
    lines: Iterable[str], *, forbidden_networks: tuple[Network, ...]
) -> tuple[RTCIceCandidate, ...]:
    """Return those of *lines* (``candidate:...``, RFC 8839 §5.1) that we send checks to.

    Dropped are names (``….local`` takes a second to resolve), TCP, RTCP of its own (component 2),
    and what `is_usable_address` refuses. The viewer can be reached all the same: its own checks
    reveal its address.
    """
    return tuple(
        candidate
        for line in lines
        if (candidate := _candidate(line, forbidden_networks)) is not None
    )


def _candidate(line: str, forbidden: tuple[Network, ...]) -> RTCIceCandidate | None:
    match = _CANDIDATE.fullmatch(line)
    if match is None:
        return None
    words = match[1].split(" ")
    try:
        address = ipaddress.ip_address(words[4])
    except ValueError:
        return None
    if not 0 < int(words[5]) < 65_536 or not is_usable_address(address, forbidden):
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return RTCIceCandidate(
        foundation=words[0],
        component=int(words[1]),
        protocol=words[2],
        priority=int(words[3]),
        ip=str(address),
        port=int(words[5]),
        type=words[7],
    )


def is_usable_address(address: Address, forbidden: tuple[Network, ...]) -> bool:
    """Return whether we may send to *address*, which a viewer has named.

    Not if it is loopback, link-local, multicast, broadcast, unspecified or reserved, or lies in
    one of the *forbidden* networks; nor if it stands for an IPv4 address that is or does.
    """
    if isinstance(address, ipaddress.IPv6Address):
        return (
            any(address in network for network in _USABLE_V6)
            and not any(address in network for network in forbidden)
            and all(is_usable_address(each, forbidden) for each in embedded_ipv4(address))
        )
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address in _THIS_NETWORK
        or any(address in network for network in forbidden)
    )


def embedded_ipv4(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """Yield the IPv4 addresses to which a translator or a tunnel takes packets for *address*."""
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    low = int(address) & 0xFFFF_FFFF
    if address in _NAT64 or int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield ipaddress.IPv4Address(low)


def candidate_line(candidate: RTCIceCandidate) -> str:
    """Return *candidate*, one of ours, as it stands in an answer (RFC 8839 §5.1)."""
    line = (
        f"{candidate.foundation} {candidate.component} {candidate.protocol} {candidate.priority}"
        f" {candidate.ip} {candidate.port} typ {candidate.type}"
    )
    if candidate.relatedAddress is None:
        return line
    return f"{line} raddr {candidate.relatedAddress} rport {candidate.relatedPort}"


def to_rtc_ice_servers(servers: Iterable[IceServer]) -> list[RTCIceServer]:
    """Return *servers* for aiortc. Always explicit: its default is a public server."""
    return [
        RTCIceServer(
            urls=list(server.urls),
            username=server.username,
            credential=None if server.credential is None else server.credential.get_secret_value(),
        )
        for server in servers
    ]
