"""What strangers and viewers may send, mutated, until the time is up: nothing raises.

    python -m tests.fuzz.viewer SECONDS SEED

Datagrams go through the filter of an open port into the real aioice, TURN messages and RTCP to
where a session would give them, offers, candidates and messages of the broker to their parsers.
Prints what was tried, and the seed of the first failure; that seed alone shows it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
import time
from binascii import crc32
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from aioice import stun as aioice_stun
from aiortc import RTCIceGatherer, RTCIceTransport

from gateway.model.errors import MessageRejected, ViewerRejected
from gateway.model.signalling import SessionKey
from gateway.mqtt.payloads.signalling import decode_viewer_message
from gateway.mqtt.topic_tree import PLAIN
from gateway.rtp.rtcp import ReceiverReport, nack, pli, receiver_report
from gateway.webrtc import aiortc_compat
from gateway.webrtc.datagram_filter import DatagramFilter
from gateway.webrtc.ice_candidates import usable_candidates
from gateway.webrtc.inbound_drops import DropCause, InboundDrops
from gateway.webrtc.rtcp_feedback import ITEMS_BURST, RtcpFeedback
from gateway.webrtc.sdp_offer import parse_offer
from tests.fixtures.access_units import access_unit
from tests.fixtures.clock import FakeClock
from tests.unit.webrtc.test_rtp_sender import make, open_line

STRANGER, VIEWER = ("192.0.2.66", 40_000), ("192.0.2.7", 50_000)
KEY = SessionKey("v-fuzz", "session-1")
SDP = "\r\n".join([
    "v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97", "c=IN IP4 0.0.0.0", "a=mid:0", "a=recvonly",
    "a=rtcp-mux", "a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuv", "a=setup:actpass",
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=rtpmap:96 H264/90000",
    "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f", "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96", "a=candidate:1 1 udp 2113 203.0.113.7 5000 typ host", "",
])  # fmt: skip
CANDIDATE = "candidate:1 1 udp 2113 203.0.113.7 5000 typ srflx raddr 10.0.0.1 rport 9"
PIECES = (
    "::ffff:127.0.0.1",
    "255.255.255.255",
    ".local",
    "\x00",
    "99999999999",
    " tcp ",
    "-1",
    "é",
)


def mutated(data: bytes, random: Random) -> bytes:
    """Return *data* with bytes changed, cut, doubled or inserted."""
    changed = bytearray(data)
    for _ in range(random.choice((0, 1, 1, 2, 5))):
        at = random.randrange(len(changed) + 1)
        match random.randrange(5):
            case 0 if at < len(changed):
                changed[at] = random.choice((0, 0xFF, random.randrange(256)))
            case 1:
                del changed[at : at + random.randrange(9)]
            case 2:
                changed[at:at] = random.randbytes(random.randrange(9))
            case 3:
                changed += changed[at : at + 64]
            case _ if at + 2 <= len(changed):
                changed[at : at + 2] = random.choice((0, 1, 0x7FFF, 0xFFFF)).to_bytes(2, "big")
            case _:
                pass
    return bytes(changed)


def mutated_text(text: str, random: Random) -> str:
    """Return *text* with pieces changed, cut, doubled or inserted."""
    for _ in range(random.choice((1, 1, 2, 5))):
        at, size = random.randrange(len(text) + 1), random.randrange(20)
        piece = random.choice((*PIECES, text[at : at + size], text[at : at + 400]))
        text = text[:at] + piece + text[at + random.choice((0, size)) :]
    return text


def mended(message: bytes, random: Random) -> bytes:
    """Return a STUN *message*, sometimes with its length and fingerprint made right again."""
    if len(message) < 20 or random.random() < 0.3:
        return message
    body = message[20:] + bytes(-len(message) & 3)
    raw = message[:2] + struct.pack("!H", len(body) + 8) + message[4:20] + body
    return raw + struct.pack("!HHI", 0x8028, 4, crc32(raw) ^ 0x5354554E)


class Target:
    """An open port of a session, with all that stands behind it."""

    def __init__(self, sender: Any) -> None:
        self.clock = FakeClock()
        self.drops = InboundDrops(clock=self.clock)
        self.gatherer = RTCIceGatherer(iceServers=[])
        self.feedback = RtcpFeedback(
            sender,
            on_keyframe_request=lambda: None,
            on_refused=lambda: None,
            clock=self.clock,
        )
        self.filter = DatagramFilter(
            self.gatherer, self._on_srtcp, lambda *_: False, drops=self.drops, clock=self.clock
        )
        self.answers: list[bytes] = []
        self.channel_to_peer = {0x4000: VIEWER}
        self.server = ("192.0.2.3", 3478)
        self.transactions: dict[bytes, object] = {bytes(12): "asked"}

    async def open(self) -> None:
        """Open the port; what aioice answers is kept."""
        with aiortc_compat.filtered_by(self.filter):
            await self.gatherer.gather()
        self.protocol = self.gatherer._connection._protocols[0]
        self.protocol.send_stun = lambda message, _address: self.answers.append(bytes(message))  # type: ignore[method-assign, assignment]

    async def close(self) -> None:
        """Close it."""
        await RTCIceTransport(self.gatherer).stop()

    def _on_srtcp(self, datagram: bytes) -> DropCause | None:
        self.feedback.on_rtcp(datagram)
        return None

    def step(self, seed: int) -> str:
        """Try what *seed* says; return what it was."""
        random = Random(seed)
        tries: tuple[Callable[[Random], None], ...] = (
            self.datagram, self.datagram, self.viewers_check, self.turn_message,
            self.rtcp, self.offer, self.candidate, self.message,
        )  # fmt: skip
        tried = random.choice(tries)
        self.clock.time_s += 0.05
        tried(random)
        return tried.__name__

    def check(self, *, signed: bool) -> bytes:
        """A viewer's check, or one of somebody who knows only the ufrag."""
        ufrag, pwd = aiortc_compat.local_credentials(self.gatherer)
        request = aioice_stun.Message(aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST)
        request.attributes.update({"USERNAME": f"{ufrag}:far", "PRIORITY": 1})
        request.attributes["ICE-CONTROLLING"] = 1 << 63
        request.add_message_integrity((pwd if signed else "guess").encode())
        return bytes(request)

    def datagram(self, random: Random) -> None:
        """A datagram of a stranger: STUN, TURN, ChannelData, DTLS, RTP, noise."""
        seed = random.choice((
            self.check(signed=False),
            struct.pack("!HHI", 0x0101, 12, 0x2112A442) + bytes(12)
            + b"\x00\x20\x00\x08\x00\x01" + bytes(6),
            struct.pack("!HHI", 0x0017, 8, 0x2112A442) + bytes(12) + b"\x00\x13\x00\x04abcd",
            b"\x40\x00\x00\x04abcd", b"\x16\xfe\xfd" + bytes(30), b"\x80\x60" + bytes(30),
            random.randbytes(40), b"",
        ))  # fmt: skip
        answered = len(self.answers)
        self.filter.on_datagram(
            self.protocol,
            mended(mutated(seed, random), random),
            STRANGER,
            lambda data, source: aiortc_compat.StunProtocol.datagram_received(
                self.protocol, data, source
            ),
        )
        assert len(self.answers) == answered, "a stranger was answered"
        assert self.gatherer._connection._queue.empty(), "a stranger's datagram waits for DTLS"

    def viewers_check(self, random: Random) -> None:
        """A check that the viewer has signed, whatever is in it, and what is changed behind it."""
        data = self.check(signed=True)
        if random.random() < 0.5:
            data = mended(mutated(data, random), random)
        self.filter.on_datagram(
            self.protocol,
            data,
            (VIEWER[0], random.randrange(1, 65_536)),
            lambda datagram, source: aiortc_compat.StunProtocol.datagram_received(
                self.protocol, datagram, source
            ),
        )

    def turn_message(self, random: Random) -> None:
        """A message of the TURN server."""
        seed = random.choice((
            struct.pack("!HHI", 0x0103, 8, 0x2112A442) + bytes(12) + b"\x00\x0d\x00\x04abcd",
            struct.pack("!HHI", 0x0113, 8, 0x2112A442) + bytes(12) + b"\x00\x09\x00\x04\0\0\4\1",
            b"\x40\x00\x00\x04abcd",
        ))  # fmt: skip
        self.filter.on_turn_message(self, mutated(seed, random), aioice_or_channel)  # type: ignore[arg-type]

    def rtcp(self, random: Random) -> None:
        """Decrypted RTCP of the viewer."""
        block = ReceiverReport(5, 6, 12, -1, 70_000, 33, 1, 2)
        seed = b"".join(random.choices((
            receiver_report(5, "c", block), pli(1, 2), nack(1, 2, (5, 9, 4_000)),
            struct.pack("!BBHII", 0x81, 205, 42, 1, 2) + b"\x00\x00\xff\xff" * 40,
            struct.pack("!BBHIIIBxxx", 0x84, 206, 4, 5, 0, 6, 7),
        ), k=3))  # fmt: skip
        before = self.feedback.items
        self.feedback.on_rtcp(mutated(seed, random))
        assert self.feedback.items - before <= ITEMS_BURST

    def offer(self, random: Random) -> None:
        """An SDP offer."""
        with contextlib.suppress(ViewerRejected):
            parse_offer(mutated_text(SDP, random))

    def candidate(self, random: Random) -> None:
        """A candidate line, to aioice if we would give it to it."""
        for each in usable_candidates([mutated_text(CANDIDATE, random)], forbidden_networks=()):
            each.sdpMid = "0"
            assert each.component == 1

    def message(self, random: Random) -> None:
        """A message of a viewer by the broker."""
        said = random.choice((
            {"k": "offer", "cam": "c01", "sdp": SDP, "ice": [{"urls": ["stun:a:b:c"]}]},
            {"k": "cand", "c": [{"candidate": CANDIDATE, "sdpMid": "0"}], "end": True},
            {"k": "extend", "exp_s": 60}, {"k": "bye", "why": "x"},
        ))  # fmt: skip
        payload = mutated_text(json.dumps(said), random).encode("utf-8", "surrogatepass")
        if random.random() < 0.3:
            payload = mutated(payload, random)
        with contextlib.suppress(MessageRejected):
            decode_viewer_message(KEY, payload, PLAIN)


def aioice_or_channel(message: bytes) -> None:
    """What aioice does first with a message of its TURN server."""
    if message[0] & 0xC0 != 0x40:
        with contextlib.suppress(ValueError):  # aioice ignores it: an unknown method
            aioice_stun.parse_message(message)


async def fuzz(seed: int, go_on: Callable[[int], bool]) -> int:
    """Try one seed after the other while `go_on(how many)`; return 1 if something failed later.

    What fails at once is raised, after its seed has been printed.
    """
    late: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: late.append(str(context)))
    tried: Counter[str] = Counter()
    with open_line() as line:
        sender = make(line.path())
        for number in range(1, 11):
            sender.send_unit(access_unit(number, sizes=(100,) * 10))
        target = Target(sender)
        await target.open()
        try:
            while not late and go_on(tried.total()):
                tried[target.step(seed)] += 1
                await asyncio.sleep(0)
                seed += 1
        finally:
            await target.close()
            sender.close()
            sender.path.close()
            print(f"until seed {seed}: {dict(tried)}", *late)
    return int(bool(late))


if __name__ == "__main__":
    seconds, first = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 1 :]]
    end_s = time.monotonic() + float(seconds)
    sys.exit(asyncio.run(fuzz(int(first), lambda _tried: time.monotonic() < end_s)))
