"""MPEG-TS over UDP, plain or in RTP, from one address or to a multicast group.

Nothing is asked of the camera: it sends, or it does not. Datagrams count only from where the camera
may be; the first such sender is the camera, until it is silent.

References: ISO/IEC 13818-1; RFC 2250 (payload type 33); ip(7), ipv6(7) for multicast.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

from gateway.demuxing.messages import ContainerFormat
from gateway.model.errors import SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtp.mpeg_ts import TS_BYTES, TS_SYNC
from gateway.rtp.packet import Malformed, count_missing, parse_packet
from gateway.rtsp.budget import BYTES, PACKETS, STRANGERS, CameraBudget
from gateway.rtsp.reorder_buffer import ReorderBuffer
from gateway.rtsp.udp import MOST_PER_WAKE, RECEIVE_BUFFER_BYTES
from gateway.runtime.lateness import time_limit
from gateway.runtime.url_policy import Target

MP2T, DYNAMIC = 33, range(96, 128)
"""RTP's payload type (RFC 3551 table 5); some encoders use one of the free ones."""

_Sender = tuple[str, int]


class UdpContainer:
    """`gateway.sources.container.ContainerStream` over UDP. Made by `listening`.

    Args:
        receiver: Bound, not blocking.
        target: Who may send.
        stall_s: How long nothing may come.
        counters: Where losses and strangers are counted.
        clock: Monotonic.

    Attributes:
        budget: What the camera may cost.
        sender: Address and port of the camera, as soon as it has sent.
        in_rtp: Whether it sends RTP; None: nothing has come yet.
    """

    format: ContainerFormat = "mpegts"

    def __init__(
        self,
        receiver: socket.socket,
        target: Target,
        *,
        stall_s: float,
        counters: SourceCounters,
        clock: Clock,
    ) -> None:
        self._receiver = receiver
        self._target = target
        self._stall_s = stall_s
        self._counters = counters
        self._clock = clock
        self._buffer = bytearray(65_536)
        self._view = memoryview(self._buffer)
        self._readable = asyncio.Event()
        self._reorder = ReorderBuffer()
        self._wanted: int | None = None  # sequence number of the next RTP packet
        self._stranger = self._unknown = ""
        self.budget = CameraBudget(clock)
        self.sender: _Sender | None = None
        self.in_rtp: bool | None = None

    def on_readable(self) -> None:
        """Wake `receive`, which reads; until then nothing more is heard of the socket."""
        asyncio.get_running_loop().remove_reader(self._receiver)
        self._readable.set()

    async def receive(self) -> AsyncGenerator[bytes, None]:
        """Yield what has come; see `gateway.sources.container.ContainerStream`."""
        while True:
            yield await self.read()

    async def read(self) -> bytes:
        """Return the MPEG-TS that comes next, of all datagrams that wait.

        Raises:
            SourceStalled: None comes within `stall_s`.
            SourceUnavailable: Too much comes (`ABUSIVE`).
        """
        try:
            async with time_limit(self._stall_s):
                while not (piece := self._read_waiting()):
                    self._readable.clear()
                    asyncio.get_running_loop().add_reader(self._receiver, self.on_readable)
                    await self._readable.wait()
        except TimeoutError:
            raise SourceStalled(Reason.STALLED, self._silence()) from None
        return piece

    def describe(self) -> str:
        """Return who sends and how, in English, as soon as somebody does."""
        assert self.sender is not None
        wrapped = "in RTP" if self.in_rtp else "plain"
        return f"{self.sender[0]} port {self.sender[1]} sends MPEG-TS, {wrapped}"

    def _silence(self) -> str:
        who = self._target.host if self.sender is None else self.sender[0]
        detail = f"no MPEG-TS of {who} at UDP port {self._target.port} for {self._stall_s:g} s"
        if self._unknown:
            return f"{detail}; it sends {self._unknown}: set it to MPEG-TS"
        return f"{detail}; {self._stranger} sends there" if self._stranger else detail

    def _read_waiting(self) -> bytes:
        datagrams: list[bytes] = []
        strangers = 0
        for _ in range(MOST_PER_WAKE):
            try:
                count, sender = self._receiver.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:
                continue
            if self._is_camera((sender[0], sender[1])):
                datagrams.append(bytes(self._view[:count]))
            else:
                strangers += 1
        self._counters.discarded += strangers
        self.budget.charge(STRANGERS, strangers)
        self.budget.charge(PACKETS, len(datagrams))
        self.budget.charge(BYTES, sum(map(len, datagrams)))
        return self._transport_stream(datagrams)

    def _is_camera(self, sender: _Sender) -> bool:
        if self.sender is None and self._target.permits_sender(sender[0]):
            self.sender = sender
        if self.sender != sender:
            self._stranger = sender[0]
        return self.sender == sender

    def _transport_stream(self, datagrams: list[bytes]) -> bytes:
        if self.in_rtp is None:
            found = (_is_rtp(each) for each in datagrams)
            self.in_rtp = next((each for each in found if each is not None), None)
        if self.in_rtp:
            packets = self._reorder.push(datagrams, self._clock.now())
            datagrams = [self._payload(packet) for packet in packets]
        whole = [each for each in datagrams if _is_transport_stream(each)]
        if whole:
            self._unknown = ""
        elif datagrams and any(datagrams) and not self.in_rtp:
            self._unknown = "something else"
        self._counters.discarded += len(datagrams) - len(whole)
        return b"".join(whole)

    def _payload(self, raw: bytes) -> bytes:
        """Return the payload of the RTP packet *raw*; empty if it is not of MPEG-TS."""
        try:
            packet = parse_packet(raw)
        except Malformed:
            return b""
        known = packet.payload_type == MP2T or packet.payload_type in DYNAMIC
        if not known or not _is_transport_stream(packet.payload):
            self._unknown = f"RTP of payload type {packet.payload_type}"
            return b""
        if self._wanted is not None:
            self._counters.lost += count_missing(packet.seq, self._wanted) or 0
        self._wanted = packet.seq + 1 & 0xFFFF
        return packet.payload


def _is_rtp(datagram: bytes) -> bool | None:
    """Return whether *datagram* is RTP of version 2, or MPEG-TS (False); None: it is neither."""
    if datagram[:1] == bytes((TS_SYNC,)):
        return False
    return True if datagram and datagram[0] >> 6 == 2 else None


def _is_transport_stream(data: bytes) -> bool:
    return data[:1] == bytes((TS_SYNC,)) and len(data) % TS_BYTES == 0


@contextmanager
def listening(
    target: Target, *, stall_s: float, counters: SourceCounters, clock: Clock
) -> Iterator[UdpContainer]:
    """Hold the port of *target* open; see `UdpContainer`.

    Raises:
        SourceRefused: It cannot be listened at here.
        SourceUnavailable: It is taken, or no interface leads to the camera.
    """
    with _bound(target) as receiver:
        made = UdpContainer(receiver, target, stall_s=stall_s, counters=counters, clock=clock)
        try:
            yield made
        finally:
            asyncio.get_running_loop().remove_reader(receiver)


def _bound(target: Target) -> socket.socket:
    """Return a socket that hears what is sent for *target*, and nothing on other interfaces."""
    address = ip_address(target.address)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if address.is_multicast:
            _join(made, target)
        else:
            made.bind((_local_address(target.address, family), target.port))
    except OSError as error:
        made.close()
        place = f"UDP port {target.port}"
        if error.errno == errno.EADDRINUSE:
            detail = f"{place} is in use here; each camera needs one of its own"
            raise SourceUnavailable(Reason.REFUSED, detail) from error
        if error.errno == errno.EACCES:
            raise SourceRefused(Reason.POLICY_DENIED, f"{place} may not be opened here") from error
        detail = f"{place} cannot be opened: {error.strerror}"
        raise SourceUnavailable(Reason.UNREACHABLE, detail) from error
    except BaseException:
        made.close()
        raise
    return made


def _join(receiver: socket.socket, target: Target) -> None:
    """Bind *receiver* to the group, and join it on the interfaces that lead to camera networks."""
    if receiver.family is not socket.AF_INET:
        raise SourceRefused(Reason.UNSUPPORTED_TRANSPORT, "multicast is taken over IPv4 only")
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    receiver.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    receiver.bind((target.address, target.port))
    group = socket.inet_aton(target.address)
    leading: set[str] = set()
    for network in target.senders:
        if network.version == 4:
            with suppress(OSError):  # no interface leads there
                someone = network[min(1, network.num_addresses - 1)]
                leading.add(_local_address(str(someone), receiver.family))
    if not leading:
        raise OSError(errno.ENETUNREACH, "no interface leads to the camera networks")
    for local in sorted(leading):
        member = struct.pack("=4s4si", group, socket.inet_aton(local), 0)
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)


_IP_MULTICAST_ALL = 49
"""ip(7): 0 hears the groups that this socket has joined only."""


def _local_address(remote: str, family: socket.AddressFamily) -> str:
    """Return our address towards *remote*, by the routing table; nothing is sent."""
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((remote, 9))
        return str(asking.getsockname()[0])
