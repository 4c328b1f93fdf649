"""Which ICE servers and candidates a session may use.

A viewer's candidates are addresses that we send checks to, so they are hostile input. Only UDP and
literal addresses are used, none of this machine and none of the camera networks: a viewer could
else make us send to the site's own devices.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from aiortc import RTCIceCandidate, RTCIceServer

from gateway.model.signalling import IceServer
from gateway.webrtc.sdp_offer import invalid_offer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_CANDIDATE = re.compile(
    r"(?:candidate:)?([\x21-\x7e]{1,64} [12] (?:udp|UDP) [0-9]{1,10} [0-9A-Fa-f:.]{2,45} [0-9]{1,5}"
    r" typ (?:host|srflx|relay))(?: .{0,200})?"
)
_SERVER = re.compile(r"(?:stun|turn|turns):[A-Za-z0-9.\-\[\]:]{1,253}(?:\?transport=(?:udp|tcp))?")
ICE_SERVERS = 4


def usable_candidates(
    lines: Iterable[str], *, forbidden_networks: tuple[Network, ...]
) -> tuple[RTCIceCandidate, ...]:
    """Return those of *lines* (``candidate:...``, RFC 8839 §5.1) that we send checks to.

    Dropped are names (``….local`` takes a second to resolve), TCP, and loopback, link-local and
    multicast addresses and those in *forbidden_networks*. The viewer can be reached all the same:
    its own checks reveal its address.
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
    if (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or not 0 < int(words[5]) < 65_536
        or any(address in network for network in forbidden)
    ):
        return None
    return RTCIceCandidate(
        foundation=words[0],
        component=int(words[1]),
        protocol=words[2],
        priority=int(words[3]),
        ip=words[4],
        port=int(words[5]),
        type=words[7],
    )


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
    """Return *servers* for aiortc. Always explicit: its default is a public server.

    Raises:
        ViewerRejected: 400, when an URL is not one of a STUN or TURN server.
    """
    listed = []
    for server in servers:
        if not server.urls or not all(_SERVER.fullmatch(url) for url in server.urls):
            raise invalid_offer("an ICE server's URL is not stun:, turn: or turns:")
        secret = None if server.credential is None else server.credential.get_secret_value()
        listed.append(
            RTCIceServer(urls=list(server.urls), username=server.username, credential=secret)
        )
    if len(listed) > ICE_SERVERS:
        raise invalid_offer(f"{len(listed)} ICE servers; at most {ICE_SERVERS}")
    return listed
