"""Viewers that count SRTP packets without decrypting them, as a process of their own.

    python -m tests.bench.receiver DIALECT VIEWERS CAMERAS [--pictures] [--first=N]

Viewer n watches camera N (0) plus n modulo CAMERAS. ICE and DTLS are aiortc's. Prints ``ready``
when every viewer gets packets; then one line of JSON for each line on standard input: ``counts``:
the sums so far; ``pictures`` (if requested): the arrival of each since the last time. When that
ends the viewers say goodbye.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.bench.signalling import dialect

PLAYING_S = 40.0
BUFFER_BYTES = 8 * 1024 * 1024
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
_HEADER = struct.Struct("!xBHII")
_TIMESPEC = struct.Struct("=qq")


@dataclass
class Picture:
    """One picture as it arrived.

    Attributes:
        rtp_time: Of its packets.
        size_bytes: Of its packets together.
        done_ns: When the kernel took its newest packet, in ns since 1970.
    """

    rtp_time: int
    size_bytes: int
    done_ns: int


@dataclass
class Tally:
    """What one viewer has been sent, by the RTP headers in clear."""

    packets: int = 0
    received_bytes: int = 0
    missing: int = 0
    next_seq: int = -1
    ssrc: int = -1
    pictures: list[Picture] = field(default_factory=list)
    timed: bool = False

    def record(self, packet: memoryview, arrived_ns: int) -> None:
        """Count one packet of the media; other streams (RTX) do not count."""
        _, seq, rtp_time, ssrc = _HEADER.unpack_from(packet)
        if ssrc != self.ssrc:
            if self.ssrc >= 0:
                return
            self.ssrc = ssrc
        if self.next_seq >= 0:
            gap = (seq - self.next_seq) & 0xFFFF
            if gap >= 0x8000:  # late, and counted as missing before
                self.missing -= 1
                return
            self.missing += gap
        self.next_seq = (seq + 1) & 0xFFFF
        self.packets += 1
        self.received_bytes += len(packet)
        if not self.timed:
            return
        if self.pictures and self.pictures[-1].rtp_time == rtp_time:
            self.pictures[-1].size_bytes += len(packet)
            self.pictures[-1].done_ns = arrived_ns
        else:
            self.pictures.append(Picture(rtp_time, len(packet), arrived_ns))


class Intake:
    """Reads one socket until it is empty: media into the tally, the rest to ICE and DTLS.

    asyncio's own reading makes an object of every datagram; at 25,000 packets a second that
    would take the machine from the relay that is measured.
    """

    def __init__(self, protocol: Any, tally: Tally) -> None:
        self._socket: socket.socket = protocol.transport._sock
        self._inner = protocol.datagram_received
        self._tally = tally
        self._buffer = bytearray(65_536)
        self._view = memoryview(self._buffer)
        with contextlib.suppress(PermissionError):  # bounded by net.core.rmem_max otherwise
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        if tally.timed:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        loop: Any = asyncio.get_running_loop()
        loop._add_reader(self._socket.fileno(), self._drain)

    def _drain(self) -> None:
        receive = self._timed if self._tally.timed else self._untimed
        buffer, view, take = self._buffer, self._view, self._tally.record
        while True:
            try:
                size, address, arrived_ns = receive()
            except OSError:  # empty, or closed meanwhile
                return
            if 128 <= buffer[0] < 192 and size >= 12:
                if not 192 <= buffer[1] <= 223:
                    take(view[:size], arrived_ns)
            elif size:
                self._inner(bytes(view[:size]), address)

    def _untimed(self) -> tuple[int, tuple[str, int], int]:
        size, address = self._socket.recvfrom_into(self._buffer)
        return size, address[:2], 0

    def _timed(self) -> tuple[int, tuple[str, int], int]:
        size, extra, _, address = self._socket.recvmsg_into((self._buffer,), 128)
        arrived_ns = 0
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(data)
                arrived_ns = seconds * 1_000_000_000 + nanoseconds
        return size, address[:2], arrived_ns


class CountingViewer:
    """One aiortc peer whose media stops at the tally."""

    def __init__(self, *, timed: bool) -> None:
        self.tally = Tally(timed=timed)
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def offer(self) -> str:
        """Return its offer."""
        self.peer.addTransceiver("video", direction="recvonly")
        await self.peer.setLocalDescription(await self.peer.createOffer())
        self._tap()
        return str(self.peer.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Take the answer."""
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def answer(self, offer: str) -> str:
        """Return its answer."""
        await self.peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        self._tap()
        return str(self.peer.localDescription.sdp)

    def _tap(self) -> None:
        ice = self.peer.getTransceivers()[0].receiver.transport.transport
        for protocol in ice._connection._protocols:
            Intake(protocol, self.tally)


class Crowd:
    """All viewers of one run."""

    def __init__(self, word: str, *, timed: bool) -> None:
        self._dialect = dialect(word)
        self._timed = timed
        self._viewers: list[CountingViewer] = []

    async def watch(self, camera: int) -> None:
        """Add one viewer."""
        viewer = CountingViewer(timed=self._timed)
        self._viewers.append(viewer)
        await self._dialect.connect(camera, viewer)

    def counts(self) -> dict[str, int]:
        """Return the counts of all viewers together."""
        tallies = [viewer.tally for viewer in self._viewers]
        return {
            "packets": sum(tally.packets for tally in tallies),
            "bytes": sum(tally.received_bytes for tally in tallies),
            "missing": sum(tally.missing for tally in tallies),
            "playing": sum(tally.packets > 0 for tally in tallies),
        }

    def pictures(self) -> list[list[tuple[int, int, int]]]:
        """Return each viewer's pictures so far, and forget them."""
        found = []
        for viewer in self._viewers:
            taken, viewer.tally.pictures = viewer.tally.pictures, []
            found.append([(each.rtp_time, each.size_bytes, each.done_ns) for each in taken])
        return found

    async def close(self) -> None:
        """Let go of everything."""
        for viewer in self._viewers:
            await viewer.peer.close()
        await self._dialect.close()


async def main() -> None:
    """Watch, then answer questions until standard input ends."""
    word, viewers, cameras = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    first = next((int(each[8:]) for each in sys.argv if each.startswith("--first=")), 0)
    crowd = Crowd(word, timed="--pictures" in sys.argv)
    for number in range(viewers):
        await crowd.watch(first + number % cameras)
    async with asyncio.timeout(PLAYING_S):
        while crowd.counts()["playing"] < viewers:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    print("ready", flush=True)
    while question := await asyncio.to_thread(sys.stdin.readline):
        asked: Any = crowd.pictures() if question.strip() == "pictures" else crowd.counts()
        print(json.dumps(asked), flush=True)
    await crowd.close()


if __name__ == "__main__":
    asyncio.run(main())
