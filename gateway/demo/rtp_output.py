"""Where the RTP of a virtual camera goes: into the RTSP connection, or to UDP ports.

Both are bounded: what the viewer does not read is not sent.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

MAX_UNREAD_BYTES = 4 * 1024 * 1024


class RtpOutput(Protocol):
    """Sends the RTP and RTCP of one session."""

    description: str
    """The Transport header of the SETUP reply, without the SSRC."""

    def send_rtp(self, packets: Sequence[bytes]) -> bool:
        """Send the RTP *packets* of one picture; return False if not all were accepted."""
        ...

    def send_rtcp(self, packet: bytes) -> None:
        """Send one RTCP packet."""
        ...

    def send_garbage(self, size_bytes: int) -> None:
        """Send random bytes that are no packet."""
        ...

    def close(self) -> None:
        """Close the sockets of this output."""
        ...


class InterleavedOutput:
    """RTP inside the RTSP connection (RFC 2326 §10.12)."""

    def __init__(self, transport: asyncio.Transport, channel: int) -> None:
        self._transport = transport
        self._channel = channel
        self._random = random.Random(channel)
        self.description = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"

    def send_rtp(self, packets: Sequence[bytes]) -> bool:
        if self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            return False
        head = bytes((0x24, self._channel))
        self._transport.write(
            b"".join([part for each in packets for part in (head, len(each).to_bytes(2), each)])
        )
        return True

    def send_rtcp(self, packet: bytes) -> None:
        if not self._transport.is_closing():
            head = bytes((0x24, self._channel + 1))
            self._transport.write(head + len(packet).to_bytes(2) + packet)

    def send_garbage(self, size_bytes: int) -> None:
        self._transport.write(self._random.randbytes(size_bytes))

    def close(self) -> None:
        return


class UdpOutput:
    """RTP and RTCP from a pair of UDP ports.

    Args:
        local: Address to send from.
        host: Address of the viewer.
        ports: Its ports for RTP and RTCP.
        on_datagram: Called when the viewer sends anything.
    """

    def __init__(
        self, local: str, host: str, ports: tuple[int, int], on_datagram: Callable[[], None]
    ) -> None:
        self._sockets = _port_pair(local)
        self._peers = tuple((host, port) for port in ports)
        self._on_datagram = on_datagram
        self._loop = asyncio.get_running_loop()
        for each in self._sockets:
            self._loop.add_reader(each, self._read, each)
        ours = "-".join(str(each.getsockname()[1]) for each in self._sockets)
        self.description = f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]};server_port={ours}"

    def send_rtp(self, packets: Sequence[bytes]) -> bool:
        return sum(self._sendto(0, packet) for packet in packets) == len(packets)

    def send_rtcp(self, packet: bytes) -> None:
        self._sendto(1, packet)

    def send_garbage(self, size_bytes: int) -> None:
        self._sendto(0, random.Random(size_bytes).randbytes(min(size_bytes, 1400)))

    def close(self) -> None:
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()

    def _sendto(self, which: int, packet: bytes) -> bool:
        try:
            self._sockets[which].sendto(packet, self._peers[which])
        except OSError:  # the viewer's port is closed or a buffer is full
            return False
        return True

    def _read(self, from_socket: socket.socket) -> None:
        try:
            from_socket.recv(2048)
        except OSError:  # reports an ICMP error of an earlier packet
            return
        self._on_datagram()


def _port_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Return two sockets on an even port and the next (RFC 3550 §11)."""
    for _ in range(50):
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        first.setblocking(False)
        second.setblocking(False)
        try:
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                second.bind((host, port + 1))
                return first, second
        except OSError:
            pass  # the next port is taken; try another pair
        first.close()
        second.close()
    raise OSError("no pair of UDP ports is free")
