"""RTP and RTCP over a pair of UDP ports, from one camera's address only.

Each wake-up reads all that waits, up to a bound, so that a burst costs one call into the stream.
What is read is charged to the camera's budget, also what strangers send to its ports: who floods
them ends the session, and the next one has other ports.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.model.errors import GatewayError, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtsp.budget import BYTES, PACKETS, STRANGERS, CameraBudget
from gateway.rtsp.connection import PacketHandler, ignore
from gateway.rtsp.reorder_buffer import ReorderBuffer
from gateway.runtime.bugs import place_of, report_bug

MOST_PER_WAKE = 256
RECEIVE_BUFFER_BYTES = 1_048_576
"""Asked of the kernel: a keyframe of 4K video comes in one burst."""

PORT_TRIES = 32

_PUNCH = b"\x80\x7f" + bytes(10)
"""An empty RTP packet: opens the way back through NAT and stateful firewalls."""


class UdpPair:
    """Both ports, open. Made by `open_pair`.

    Attributes:
        unknown_senders: Datagrams from other addresses, dropped.
        stranger: The address of one of them; empty: there were none.
        reorder: What puts the packets in order.
        on_rtp: Called with the RTP packets of each wake-up, in order.
        on_rtcp: Called with RTCP packets.
        on_failure: Called when more has come than the budget has, or with what the two raise.
    """

    def __init__(
        self,
        rtp: socket.socket,
        rtcp: socket.socket,
        address: str,
        clock: Clock,
        budget: CameraBudget,
    ) -> None:
        self._rtp, self._rtcp = rtp, rtcp
        self._address = address
        self._budget = budget
        self._clock = clock
        self._buffer = bytearray(65_536)
        self._view = memoryview(self._buffer)
        self._server_ports: tuple[int, int] | None = None
        self.reorder = ReorderBuffer()
        self.unknown_senders = 0
        self.stranger = ""
        self.on_rtp: PacketHandler = ignore
        self.on_rtcp: PacketHandler = ignore
        self.on_failure: Callable[[BaseException], None] = _ignore_failure

    @property
    def port(self) -> int:
        """Our RTP port; RTCP has the next."""
        return int(self._rtp.getsockname()[1])

    def punch(self, server_ports: tuple[int, int] | None) -> None:
        """Remember the server's ports, and send to its RTP port so that it can reach us."""
        self._server_ports = server_ports
        if server_ports is not None:
            self._send(self._rtp, _PUNCH, server_ports[0])

    def send_rtcp(self, packet: bytes) -> None:
        """Send *packet* to the server's RTCP port, if it has told one."""
        if self._server_ports is not None:
            self._send(self._rtcp, packet, self._server_ports[1])

    def _send(self, sender: socket.socket, packet: bytes, port: int) -> None:
        try:
            sender.sendto(packet, (self._address, port))
        except OSError:
            return  # as good as lost on the way; RTCP bears that

    # For the fast path, which may read the camera's RTP between two pictures.

    rtp_channel, rtcp_channel = 0, -1
    """Of the frames that `resume` is given; RTCP has a port of its own."""

    @property
    def sender(self) -> str:
        """The camera's IP address."""
        return self._address

    @property
    def descriptor(self) -> int:
        """Of the RTP port; -1 if the camera's address has a zone (RFC 4007), told by its name."""
        return -1 if "%" in self._address else self._rtp.fileno()

    def is_idle(self, seq: int) -> bool:
        """Whether all that was read is passed on, and packet *seq* is next."""
        return self.reorder.expects(seq)

    def pause(self) -> None:
        """Stop reading RTP until `resume`; somebody else reads from `descriptor`."""
        asyncio.get_running_loop().remove_reader(self._rtp)

    def continue_from(self, seq: int, source: int) -> None:
        """Expect packet *seq* of *source* next: somebody else has taken those before it."""
        self.reorder.continue_from(seq, source)

    def add_strangers(self, count: int) -> None:
        """Note so many datagrams of strangers that somebody else has dropped, and charged."""
        self.unknown_senders += count

    def resume(self, read: bytes) -> None:
        """Go on reading RTP; *read* has been read meanwhile, each packet an interleaved frame."""
        asyncio.get_running_loop().add_reader(self._rtp, self.on_rtp_readable)
        packets = _unframed(read)
        self._handle(
            lambda: self.reorder.push(self._charged(packets), self._clock.now()), self.on_rtp
        )

    def fail(self, error: BaseException) -> None:
        """End the session with *error*."""
        self.on_failure(error)

    def on_rtp_readable(self) -> None:
        self._handle(
            lambda: self.reorder.push(self._receive(self._rtp), self._clock.now()), self.on_rtp
        )

    def on_rtcp_readable(self) -> None:
        self._handle(lambda: self._receive(self._rtcp), self.on_rtcp)

    def _handle(self, read: Callable[[], list[bytes]], handler: PacketHandler) -> None:
        """Hand what *read* returns to *handler*; a failure ends this camera's session only."""
        try:
            packets = read()
            if packets:
                handler(packets)
        except GatewayError as error:
            self.on_failure(error)
        except Exception as error:
            report_bug("camera", error, self._address)
            self.on_failure(SourceStalled(Reason.INTERNAL_ERROR, place_of(error)))

    def _receive(self, receiver: socket.socket) -> list[bytes]:
        packets: list[bytes] = []
        strangers = self.unknown_senders
        for _ in range(MOST_PER_WAKE):
            try:
                count, sender = receiver.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError:  # the camera's ICMP "port unreachable" to our RTCP
                continue
            if sender[0] == self._address:
                packets.append(bytes(self._view[:count]))
            else:
                self.unknown_senders += 1
                self.stranger = sender[0]
        self._budget.charge(STRANGERS, self.unknown_senders - strangers)
        return self._charged(packets)

    def _charged(self, packets: list[bytes]) -> list[bytes]:
        self._budget.charge(PACKETS, len(packets))
        self._budget.charge(BYTES, sum(map(len, packets)))
        return packets


def _ignore_failure(error: BaseException) -> None:
    """Take *error* and do nothing: nobody has begun to use the ports."""


def _unframed(frames: bytes) -> list[bytes]:
    """Return the packets in whole interleaved *frames* (RFC 2326 §10.12)."""
    packets = []
    at = 0
    while at < len(frames):
        end = at + 4 + (frames[at + 2] << 8 | frames[at + 3])
        packets.append(frames[at + 4 : end])
        at = end
    return packets


@contextmanager
def open_pair(
    local: str, camera: str, clock: Clock, budget: CameraBudget | None = None
) -> Iterator[UdpPair]:
    """Hold an even port for RTP and the next for RTCP on the address *local*.

    Args:
        local: Our IP address.
        camera: The camera's.
        clock: Monotonic.
        budget: What the camera may cost; None: one of its own.

    Raises:
        SourceUnavailable: No pair of ports is free.
    """
    loop = asyncio.get_running_loop()
    rtp, rtcp = _bound_pair(local)
    with rtp, rtcp:
        pair = UdpPair(rtp, rtcp, camera, clock, budget or CameraBudget(clock))
        readers: tuple[tuple[socket.socket, Callable[[], None]], ...] = (
            (rtp, pair.on_rtp_readable),
            (rtcp, pair.on_rtcp_readable),
        )
        for receiver, read in readers:
            loop.add_reader(receiver, read)
        try:
            yield pair
        finally:
            for receiver, _ in readers:
                loop.remove_reader(receiver)


def _bound_pair(local: str) -> tuple[socket.socket, socket.socket]:
    for _ in range(PORT_TRIES):
        first = _bound(local, 0)
        if first is None:
            continue
        port = int(first.getsockname()[1])
        second = _bound(local, port + 1) if port % 2 == 0 else None
        if second is not None:
            return first, second
        first.close()
    raise SourceUnavailable(Reason.UNREACHABLE, f"no pair of UDP ports is free on {local}")


def _bound(local: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.bind((local, port))
    except OSError:
        made.close()
        return None
    return made
