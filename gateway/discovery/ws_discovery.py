"""WS-Discovery: asks who is there, by multicast and address by address (unicast).

An answer counts for the address that it comes from, never for those that it names: a device behind
a router, or one that lies, names others. Answers from outside the camera networks are dropped.

References: WS-Discovery 1.0 (April 2005), Probe and ProbeMatches over UDP; ONVIF Core, device
discovery.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from gateway.discovery.text import clean
from gateway.ports import Clock
from gateway.sources.bounded_xml import HostileXml, parse_xml

GROUP, PORT = "239.255.255.250", 3702

MOST_DEVICES = 512
MOST_DATAGRAM_BYTES = 16_384
WAIT_S = 2.0
"""Devices may take half a second (`APP_MAX_DELAY`), and answer twice."""

BURST, BURST_S = 64, 0.05
"""So many unicast probes, then a pause: switches and radio links drop more."""

_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header>'
    "<w:MessageID>urn:uuid:{id}</w:MessageID>"
    "<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>"
    "<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>"
    "<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body>"
    "</e:Envelope>"
)
_SCOPE = "onvif://www.onvif.org/"


@dataclass(frozen=True, slots=True)
class Match:
    """A device that has answered.

    Attributes:
        address: Where its answer came from.
        port: Of its device service, as it says; 80 if it does not.
        path: Of its device service; empty: it names none.
        named: Another host that it names; empty: it names itself.
        scopes: What it says of itself: ``name``, ``hardware`` and the like.
    """

    address: str
    port: int = 80
    path: str = ""
    named: str = ""
    scopes: tuple[str, ...] = ()


class _Answers(asyncio.DatagramProtocol):
    """Keeps the first answer of each address."""

    def __init__(self, permitted: Callable[[str], bool]) -> None:
        self._permitted = permitted
        self.first: dict[str, bytes] = {}
        self.dropped = 0

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        address = str(addr[0])
        if address in self.first:
            return
        fits = len(data) <= MOST_DATAGRAM_BYTES and len(self.first) < MOST_DEVICES
        if fits and self._permitted(address):
            self.first[address] = data
        else:
            self.dropped += 1

    def error_received(self, exc: Exception) -> None:
        """Do nothing: nobody listens at one of the addresses."""


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found.

    Attributes:
        devices: By address, at most `MOST_DEVICES`.
        dropped: Datagrams from outside the camera networks, too large, or too many.
    """

    devices: dict[str, Match]
    dropped: int


async def find_devices(
    addresses: Iterable[str],
    interfaces: Sequence[str],
    permitted: Callable[[str], bool],
    clock: Clock,
    *,
    port: int = PORT,
    wait_s: float = WAIT_S,
) -> Matches:
    """Return who answers a probe.

    Args:
        addresses: Asked one by one.
        interfaces: This machine's addresses in the camera networks; each sends a multicast.
        permitted: Returns whether an answer may come from an address.
        clock: Monotonic.
        port: Where devices listen.
        wait_s: How long answers are waited for, after the last probe.
    """
    loop = asyncio.get_running_loop()
    answers = _Answers(permitted)
    transports = []
    try:
        for interface in interfaces:
            with suppress(OSError):  # an interface without multicast
                transports.append(await _multicast(loop, answers, interface, port))
        unicast, _ = await loop.create_datagram_endpoint(
            lambda: answers, local_addr=("0.0.0.0", 0), family=socket.AF_INET
        )
        transports.append(unicast)
        for count, address in enumerate(addresses, 1):
            if ":" not in address:
                unicast.sendto(_probe(), (address, port))
            if count % BURST == 0:
                await clock.sleep(BURST_S)
        await clock.sleep(wait_s)
    finally:
        for transport in transports:
            transport.close()
    found = {}
    for address, datagram in answers.first.items():
        if (match := parse_match(address, datagram)) is not None:
            found[address] = match
    return Matches(found, answers.dropped)


async def _multicast(
    loop: asyncio.AbstractEventLoop, answers: _Answers, interface: str, port: int
) -> asyncio.DatagramTransport:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sender.setblocking(False)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sender.bind((interface, 0))
        transport, _ = await loop.create_datagram_endpoint(lambda: answers, sock=sender)
    except BaseException:
        sender.close()
        raise
    transport.sendto(_probe(), (GROUP, port))
    return transport


def _probe() -> bytes:
    return _PROBE.replace("{id}", str(uuid4())).encode()


def parse_match(address: str, datagram: bytes) -> Match | None:
    """Return what *datagram*, from *address*, says; None: it is no answer to a probe."""
    try:
        root = parse_xml(datagram)
    except HostileXml:
        return None
    if root is None:
        return None
    match = root.find(".//{*}ProbeMatch")
    if match is None:
        return None
    scopes = tuple(_scopes((match.findtext("{*}Scopes") or "").split()[:64]))
    for place in (match.findtext("{*}XAddrs") or "").split()[:8]:
        try:
            parts = urlsplit(place)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            continue
        fit = parts.path.isascii() and parts.path.isprintable() and len(parts.path) <= 256
        if fit and parts.path.startswith("/") and parts.scheme in ("http", "https"):
            named = "" if parts.hostname == address else (clean(parts.hostname, 80) or "")
            return Match(address, port, parts.path, named, scopes)
    return Match(address, scopes=scopes)


def _scopes(texts: Iterable[str]) -> Iterator[str]:
    """Yield what ONVIF's scopes say: ``name/IPC-1`` of ``onvif://www.onvif.org/name/IPC-1``."""
    for text in texts:
        if text.startswith(_SCOPE):
            said = clean(unquote(text.removeprefix(_SCOPE)[:300], errors="replace"))
            if said is not None:
                yield said
