"""Viewers that count SRTP packets without decrypting them. A process of their own.

    python -m tests.bench.receiver BROKER_PORT GATEWAY VIEWERS CAMERAS

Viewer n watches camera n modulo CAMERAS. ICE and DTLS are aiortc's. Prints ``ready`` when every
viewer gets packets; then for each line on standard input one JSON line of the counts so far.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from dataclasses import dataclass

import structlog
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from gateway.aio.clock import SystemClock
from gateway.model.signalling import Answer, Offer, Refusal, SessionKey
from gateway.mqtt import topics
from gateway.mqtt.broker import BrokerAddress
from gateway.mqtt.link import Link
from gateway.mqtt.topics import VIEWER_SAYS, Topics, publication
from gateway.mqtt.wire import Stamp
from gateway.mqtt.wire_rtc import from_viewer, read_gateway
from gateway.ports import Letter

PROVINCE = "79"


@dataclass
class Count:
    """What one viewer has been sent, by the RTP headers in clear."""

    packets: int = 0
    received_bytes: int = 0
    missing: int = 0
    next_seq: int | None = None

    def take(self, datagram: bytes) -> None:
        """Count one media packet."""
        (seq,) = struct.unpack_from("!H", datagram, 2)
        if self.next_seq is not None:
            gap = (seq - self.next_seq) & 0xFFFF
            self.missing += gap if gap < 0x8000 else 0
        self.next_seq = (seq + 1) & 0xFFFF
        self.packets += 1
        self.received_bytes += len(datagram)


class Viewers:
    """All viewers of one run."""

    def __init__(self, port: int, gateway: str) -> None:
        self.own = Topics(PROVINCE, gateway)
        self.answers: dict[SessionKey, asyncio.Future[str]] = {}
        self.counts: list[Count] = []
        self.peers: list[RTCPeerConnection] = []
        self.number = 0
        self.online = asyncio.Event()
        self.link = Link(
            BrokerAddress(host="127.0.0.1", port=port),
            client_id="bench-viewers",
            subscriptions=(self.own.gateway_says(SessionKey("+", "+")), self.own.presence),
            deliver=self.deliver,
            clock=SystemClock(),
        )

    def deliver(self, letter: Letter) -> None:
        """Take an answer, or the gateway's presence: it has subscribed by then."""
        if letter.topic == self.own.presence:
            self.online.set()
        place = topics.parse(letter.topic)
        if place is None or place.key not in self.answers:
            return
        waiting = self.answers[place.key]
        match read_gateway(place.key, letter.payload, letter.content_type):
            case Answer(sdp=sdp):
                waiting.set_result(sdp)
            case Refusal() as refusal:
                waiting.set_exception(RuntimeError(f"refused: {refusal}"))
            case _:
                pass

    async def watch(self, camera: str) -> None:
        """Open one viewer and count what it gets."""
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.append(peer)
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        self.number += 1
        key = SessionKey("v-bench", f"session-{self.number}")
        self.answers[key] = asyncio.get_running_loop().create_future()
        stamp = Stamp(time.time_ns() // 1_000_000, 1, self.number)
        sealed = from_viewer(stamp, Offer(key, camera, str(peer.localDescription.sdp)))
        self.link.post(publication(VIEWER_SAYS, self.own.viewer_says(key), sealed))
        async with asyncio.timeout(30):
            answer = await self.answers[key]
        count = Count()
        self.counts.append(count)
        ice = peer.getTransceivers()[0].receiver.transport.transport
        for protocol in ice._connection._protocols:
            self._count(protocol, count)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def _count(self, protocol: object, count: Count) -> None:
        """Let media stop here; STUN and DTLS go on."""
        inner = protocol.datagram_received  # type: ignore[attr-defined]

        def received(datagram: bytes, address: tuple[str, int]) -> None:
            if 128 <= datagram[0] < 192:
                if not 192 <= datagram[1] <= 223:
                    count.take(datagram)
                return
            inner(datagram, address)

        protocol.datagram_received = received  # type: ignore[attr-defined]

    def total(self) -> dict[str, int]:
        """Return the counts of all viewers together."""
        return {
            "packets": sum(count.packets for count in self.counts),
            "bytes": sum(count.received_bytes for count in self.counts),
            "missing": sum(count.missing for count in self.counts),
            "playing": sum(count.packets > 0 for count in self.counts),
        }


async def main() -> None:
    """Watch, then answer questions until standard input ends."""
    port, gateway, viewers, cameras = int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    crowd = Viewers(port, gateway)
    linking = asyncio.create_task(crowd.link.run())
    async with asyncio.timeout(20):
        await crowd.online.wait()
    for number in range(viewers):
        await crowd.watch(f"c{number % cameras:03d}")
    async with asyncio.timeout(30):
        while crowd.total()["playing"] < viewers:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(crowd.total()), flush=True)
    for peer in crowd.peers:
        await peer.close()
    linking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
