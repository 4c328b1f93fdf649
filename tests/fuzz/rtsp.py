"""Random bytes of an RTSP camera, whole and mutated, into the connection, until the time is up.

    python -m tests.fuzz.rtsp SECONDS SEED

Each stream is made of captured sessions, hostile floods and words of RTSP, damaged at random, and
fed in reads of random length. Only errors of our tree may end it; a read costs a bounded number of
calls; and however the same bytes are cut, the same comes out. The words before PLAY (challenges,
transports, descriptions) and packets of JPEG and MPEG-4 are tried beside it. Prints what was tried,
and the seed of a failure.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from functools import partial
from pathlib import Path
from random import Random

from gateway.demo.jpeg_payloads import jpeg_payloads
from gateway.model.errors import GatewayError
from gateway.model.media import AccessUnit, Codec, SourceCounters, VideoFormat
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtsp.auth import choose_challenge, parse_challenges
from gateway.rtsp.budget import READ_BYTES, CameraBudget
from gateway.rtsp.headers import parse_session, parse_transport
from gateway.rtsp.messages import Malformed, Response, ServerRequest, parse_head
from gateway.rtsp.parser import RtspParser
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.rtsp.sdp import parse_description
from gateway.runtime.url_policy import Target
from gateway.sources.depacketizer import Depacketizer
from gateway.sources.picture_depacketizer import PictureDepacketizer, picture_assembler
from gateway.sources.timeline import Timeline
from tests.attack.cameras import ATTACKS, IDR, PAYLOAD_TYPE, PPS, SPS, frame, rtp
from tests.fixtures.calls import calls_of
from tests.fixtures.clock import FakeClock
from tests.fixtures.coded_pictures import PAYLOAD_TYPE as PICTURE_PAYLOAD_TYPE
from tests.fixtures.coded_pictures import coded_pictures, packets
from tests.unit.rtsp.scripted import SDP

MAX_CALLS = 100_000
"""Calls of Python's that one read may cost."""

CAPTURE = (Path(__file__).parents[1] / "data" / "rtsp" / "gstreamer-h264.bin").read_bytes()
PICTURE_PACKETS: dict[Codec, list[bytes]] = {
    "mjpeg": packets([jpeg_payloads(jpeg, 500) for jpeg in coded_pictures("mjpeg", 6)]),
    "mpeg4": packets([[each[:200], each[200:] or b"x"] for each in coded_pictures("mpeg4", 14)]),
}
TARGET = Target("rtsp", "h", "10.0.0.1", 554, "/", "rtsp://h/", 554)
WORDS = (
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 7\r\n\r\n",
    b'RTSP/1.0 401 X\r\nWWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5\r\n\r\n',
    b"OPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n",
    b"RTSP/1.0 200 OK\nCSeq: 0\nContent-Length: 3\n\nv=0",
    b"RTSP/1.0 200 OK\rCSeq: 1\r\r",
    b"RTSP/1.0 200 OK\r\r\nCSeq: 1\r\r\n\r\r\n",
    frame(1, b"\x81\xcb\x00\x01" + bytes(4)),
    b"ANNOUNCE rtsp://h/ RTSP/1.0\r\nContent-Length: 65536\r\n\r\n",
    b"\r\n",
    b"$\x00\xff\xff",
    b"$\x01\x00\x08\x80\xc8\x00\x00abcd",
    frame(1, b"\x80\xc8\x00\x06" + bytes(24)),
    rtp(1, 0, SPS, marker=False) + rtp(2, 0, PPS, marker=False) + rtp(3, 0, IDR),
    rtp(4, 3_000, b"\x7c\x81\x9a\x00", marker=False) + rtp(5, 3_000, b"\x7c\x41\x00"),
    SDP.encode(),
)


class Receiver:
    """What takes a camera's bytes: parser, depacketizer and statistics, with one budget."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        budget = CameraBudget(self._clock)
        counters = SourceCounters()
        self.parser = RtspParser(budget)
        self.parser.set_channels(0, 1, PAYLOAD_TYPE)
        self._depacketizer = Depacketizer(
            VideoFormat("h264"),
            payload_type=PAYLOAD_TYPE,
            timeline=Timeline(counters),
            counters=counters,
            payload_bytes=1_180,
            budget=budget,
        )
        self._stats = ReceiverStats()
        self.units: list[AccessUnit] = []
        self.messages: list[Response | ServerRequest] = []
        self.ended = False

    def feed(self, piece: bytes) -> None:
        """Take one read."""
        self.parser.get_buffer()[: len(piece)] = piece
        batch = self.parser.feed(len(piece))
        self.messages += batch.messages
        try:
            self.units += self._depacketizer.push_packets(batch.rtp, self._clock.now())
        except GatewayError:
            self.ended = True
        self._stats.on_rtcp(batch.rtcp, self._clock.now())
        self.ended |= self.parser.error is not None


def stream(random: Random) -> bytes:
    """Return what a camera might send."""
    pieces = []
    for _ in range(random.randint(1, 12)):
        kind = random.random()
        if kind < 0.3:
            at = random.randrange(len(CAPTURE))
            pieces.append(CAPTURE[at : at + random.randint(1, 20_000)])
        elif kind < 0.5:
            flood = ATTACKS[random.choice(sorted(ATTACKS))].flood()
            chunk = b"".join(itertools.islice(flood, 1))
            pieces.append(chunk[: random.randint(1, 30_000)])
        elif kind < 0.6:
            pieces.append(random.randbytes(random.randint(1, 3_000)))
        else:
            pieces.append(random.choice(WORDS) * random.choice((1, 1, 1, 2, 50)))
    return damaged(b"".join(pieces), random)


def damaged(data: bytes, random: Random) -> bytes:
    """Return *data* with some bytes changed, left out and repeated."""
    changed = bytearray(data)
    for _ in range(random.choice((0, 0, 1, 3, 20))):
        at = random.randrange(len(changed))
        match random.randrange(3):
            case 0:
                changed[at] = random.choice(
                    (0, 0x24, 0x0D, 0x0A, 0x80, 0xFF, random.randrange(256))
                )
            case 1:
                del changed[at : at + random.randint(1, 40)]
            case 2:
                changed[at:at] = changed[at : at + random.randint(1, 40)]
        changed = changed or bytearray(b"$")
    return bytes(changed)


def reads(data: bytes, random: Random) -> list[bytes]:
    """Return *data* cut as a socket might."""
    pieces, at = [], 0
    longest = random.choice((1_448, READ_BYTES, 200))
    while at < len(data):
        size = random.randint(1, longest)
        pieces.append(data[at : at + size])
        at += size
    return pieces


def try_stream(seed: int) -> int:
    """Feed one stream, twice; return its length.

    Raises:
        AssertionError: A read costs too much, or the cuts change what comes out.
    """
    random = Random(seed)
    data = stream(random)
    first, second = Receiver(), Receiver()
    for receiver in (first, second):
        for piece in reads(data, random):
            count = calls_of(partial(receiver.feed, piece))
            assert count <= MAX_CALLS, f"{count} calls for {len(piece)} bytes"
            if receiver.ended:
                break
    if not first.ended and not second.ended:
        assert first.messages == second.messages
        assert first.parser.resyncs == second.parser.resyncs
        assert [unit.payloads for unit in first.units] == [unit.payloads for unit in second.units]
    return len(data)


def try_words(seed: int) -> None:
    """Parse what comes before PLAY, damaged; only errors of our tree come out of it."""
    random = Random(seed)
    text = damaged(random.choice(WORDS) * random.choice((1, 3)), random)
    with contextlib.suppress(Malformed):
        message, _ = parse_head(text.partition(b"\r\n\r\n")[0])
        if isinstance(message, Response):
            with contextlib.suppress(GatewayError):
                choose_challenge(parse_challenges(message), allow_basic=True)
        for _name, value in message.headers.fields:
            parse_transport(value)
            parse_session(value)
    with contextlib.suppress(GatewayError):
        parse_description(damaged(SDP.encode(), random), base=text.decode("latin-1"), target=TARGET)


def try_pictures(seed: int) -> int:
    """Depacketize damaged JPEG and MPEG-4; return how many pictures came out.

    Raises:
        AssertionError: A packet costs too much, or the cuts change what comes out.
    """
    random = Random(seed)
    codec: Codec = random.choice(("mjpeg", "mpeg4"))
    sound = PICTURE_PACKETS[codec]
    packets = [
        damaged(random.choice(sound), random) if random.random() < 0.2 else packet
        for packet in sound
        if random.random() < 0.97
    ]
    outcomes = []
    for longest in (1, 50):
        counters = SourceCounters()
        depacketizer = PictureDepacketizer(
            picture_assembler(VideoFormat(codec)),
            payload_type=PICTURE_PAYLOAD_TYPE,
            timeline=Timeline(counters),
            counters=counters,
            budget=CameraBudget(FakeClock()),
        )
        units: list[AccessUnit] = []
        for at in range(0, len(packets), longest):
            cut = packets[at : at + longest]
            count = calls_of(partial(_depacketize, depacketizer, cut, units))
            assert count <= MAX_CALLS, f"{count} calls for {len(cut)} packets"
        for unit in units:
            parse_picture(codec, unit.payloads)
        outcomes.append((units, counters.discarded, counters.lost))
    assert outcomes[0] == outcomes[1]
    return len(units)


def _depacketize(
    depacketizer: PictureDepacketizer, packets: list[bytes], units: list[AccessUnit]
) -> None:
    units += depacketizer.push_packets(packets, 0.0)


def fuzz(seconds: float, seed: int) -> int:
    """Return 1 if something fails, else 0 after *seconds*."""
    end_s = time.monotonic() + seconds
    streams = size_bytes = 0
    while time.monotonic() < end_s:
        try:
            size_bytes += try_stream(seed)
            try_words(seed)
            try_pictures(seed)
        except BaseException:
            print(f"seed {seed}", flush=True)
            raise
        streams, seed = streams + 1, seed + 1
    print(f"{streams} streams, {size_bytes} bytes")
    return 0


if __name__ == "__main__":
    given, first_seed = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 1 :]]
    sys.exit(fuzz(float(given), int(first_seed)))
