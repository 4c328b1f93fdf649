"""Hostile cameras: real RTSP servers that behave until PLAY, and then send what no camera sends.

    python -m tests.attack.cameras BYTES_PER_S

prints the URLs of `CAMERAS` of them, which abuse from the first line on standard input to its end,
each with that rate, the kinds in turn with every session; then what they have sent.

Each `Attack` is one kind of abuse. `HostileCamera` serves one on a free port of 127.0.0.1, as fast
as it is read, to everybody who connects.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from gateway.model.reasons import Reason
from tests.unit.rtsp.scripted import Camera, Request, Script, camera, willing

PAYLOAD_TYPE = 96
SPS = bytes.fromhex("6742c01fd9005005bb016a0200000300020000030079")
PPS = bytes.fromhex("68ce06e2")
IDR = b"\x65\x88\x84"
CHUNK_BYTES = 65_536

CAMERAS = 5
"""Hostile cameras at once, three kinds each: whoever is cut off comes back after 30 s."""

Flood = Callable[[], Iterator[bytes]]


def frame(channel: int, packet: bytes) -> bytes:
    """Return *packet* as an interleaved frame (RFC 2326 §10.12)."""
    return struct.pack("!cBH", b"$", channel, len(packet)) + packet


def rtp(seq: int, time: int, payload: bytes, *, marker: bool = True) -> bytes:
    """Return an interleaved RTP packet of the video."""
    head = struct.pack(
        "!BBHII", 0x80, PAYLOAD_TYPE | marker << 7, seq & 0xFFFF, time & 0xFFFF_FFFF, 7
    )
    return frame(0, head + payload)


def _chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join *pieces* to chunks that are worth a write."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0


def lost_framing() -> Iterator[bytes]:
    """Dollar signs: each might begin a frame, none does."""
    while True:
        yield b"$" * CHUNK_BYTES


def false_frames() -> Iterator[bytes]:
    """What looks like a frame of RTCP, and then is none: the framing is lost and found."""
    while True:
        yield b"$\x01\x00\x08\x80\xc8" * (CHUNK_BYTES // 6)


def blank_lines() -> Iterator[bytes]:
    """What some servers send once too often, for ever."""
    while True:
        yield b"\r\n" * (CHUNK_BYTES // 2)


def server_requests() -> Iterator[bytes]:
    """OPTIONS from the server, as fast as they are read."""
    yield from _chunks(b"OPTIONS * RTSP/1.0\r\nCSeq: %d\r\n\r\n" % n for n in itertools.count())


def stray_answers() -> Iterator[bytes]:
    """Answers to nothing, with many headers."""
    head = b"RTSP/1.0 200 OK\r\n" + b"X-Header: value\r\n" * 60 + b"\r\n"
    yield from _chunks(itertools.repeat(head))


def tiny_pictures() -> Iterator[bytes]:
    """A whole picture in every packet of 15 bytes."""
    first = rtp(0, 0, SPS, marker=False) + rtp(1, 0, PPS, marker=False) + rtp(2, 0, IDR)
    yield first
    yield from _chunks(rtp(n, 3000 * n, b"\x41\x9a\x00") for n in itertools.count(3))


def tiny_packets() -> Iterator[bytes]:
    """One picture that never ends, of packets with one byte each."""
    yield from _chunks(rtp(n, 0, b"\x06\x01", marker=False) for n in itertools.count())


def tiny_fragments() -> Iterator[bytes]:
    """One slice that never ends, in fragments of one byte."""
    yield rtp(0, 0, b"\x7c\x85\x88", marker=False)
    yield from _chunks(rtp(n, 0, b"\x7c\x05\x00", marker=False) for n in itertools.count(1))


def aggregated_pictures() -> Iterator[bytes]:
    """A hundred pictures in every packet."""
    yield rtp(0, 0, SPS, marker=False) + rtp(1, 0, PPS, marker=False) + rtp(2, 0, IDR)
    payload = b"\x18" + b"\x00\x03\x41\x9a\x00" * 100
    yield from _chunks(rtp(n, 3000 * n, payload) for n in itertools.count(3))


def aggregates() -> Iterator[bytes]:
    """Packets of thousands of NAL units, each the first slice of a picture."""
    payload = b"\x18" + b"\x00\x02\x41\x9a" * 15_000
    yield from _chunks(rtp(n, 3000 * n, payload) for n in itertools.count())


def new_parameter_sets() -> Iterator[bytes]:
    """Another SPS with every packet, each as slow to read as an SPS can be."""
    slow = b"\x67\x64\x00\x1f" + b"\x88\x80" + b"\xff" * 500
    yield from _chunks(
        rtp(n, 3000 * n, slow + struct.pack("!I", n), marker=False) for n in itertools.count()
    )


def rtcp_flood() -> Iterator[bytes]:
    """Sender reports, back to back."""
    report = frame(1, struct.pack("!BBHIQIII", 0x80, 200, 6, 7, 1 << 40, 0, 0, 0))
    yield from _chunks(itertools.repeat(report))


def unknown_channels() -> Iterator[bytes]:
    """Frames of a channel that was not set up."""
    yield from _chunks(itertools.repeat(frame(9, b"\x80\x60" + bytes(10))))


def time_jumps() -> Iterator[bytes]:
    """Every picture hours away from the one before."""
    yield from _chunks(rtp(n, n * 0x5555_5555, IDR) for n in itertools.count())


def huge_rate() -> Iterator[bytes]:
    """Ordinary pictures, as many as the line carries."""
    slice_bytes = b"\x41\x9a" + bytes(1_300)
    yield rtp(0, 0, SPS, marker=False) + rtp(1, 0, PPS, marker=False) + rtp(2, 0, IDR)
    yield from _chunks(
        rtp(n, 3000 * (n // 8), slice_bytes, marker=n % 8 == 7) for n in itertools.count(8)
    )


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of abuse.

    Attributes:
        flood: Yields what is sent behind the answer to PLAY, without end.
        reasons: Which of these cuts the camera off.
    """

    flood: Flood
    reasons: frozenset[Reason] = frozenset({Reason.ABUSIVE})


ATTACKS: dict[str, Attack] = {
    "lost framing": Attack(lost_framing, frozenset({Reason.CORRUPT})),
    "false frames": Attack(false_frames),
    "blank lines": Attack(blank_lines),
    "server requests": Attack(server_requests),
    "stray answers": Attack(stray_answers),
    "tiny pictures": Attack(tiny_pictures),
    "tiny packets": Attack(tiny_packets),
    "tiny fragments": Attack(tiny_fragments),
    "aggregated pictures": Attack(aggregated_pictures),
    "aggregates": Attack(aggregates),
    "new parameter sets": Attack(new_parameter_sets),
    "RTCP flood": Attack(rtcp_flood),
    "unknown channels": Attack(unknown_channels),
    "time jumps": Attack(time_jumps),
    "huge rate": Attack(huge_rate),
}


@dataclass
class HostileCamera:
    """A running hostile camera.

    Attributes:
        sent_bytes: What has been written of the flood.
        sessions: How often PLAY was asked for.
    """

    served: Camera
    sent_bytes: int = 0
    sessions: int = 0
    floods: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it is, for a site document."""
        return self.served.url


@asynccontextmanager
async def hostile_camera(
    attack: Attack,
    script: Script = willing,
    *,
    bytes_per_s: float = float("inf"),
    chunks_per_s: float = float("inf"),
    begin: asyncio.Event | None = None,
) -> AsyncIterator[HostileCamera]:
    """Serve *attack* on a free port; *script* answers the requests, two rates hold it back.

    It is silent until *begin* is set, if that is given.
    """
    made: HostileCamera

    def answer(request: Request) -> bytes | None:
        if request.method == "PLAY":
            made.sessions += 1
            writer = made.served.writers[request.connection - 1]
            task = asyncio.create_task(flood(writer), name="flood")
            made.floods.add(task)
            task.add_done_callback(made.floods.discard)
        return script(request)

    async def flood(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)  # the answer to PLAY comes first
        if begin is not None:
            await begin.wait()
        try:
            for chunk in attack.flood():
                writer.write(chunk)
                await writer.drain()
                made.sent_bytes += len(chunk)
                await asyncio.sleep(max(len(chunk) / bytes_per_s, 1 / chunks_per_s))
        except ConnectionError:
            return

    async with camera(answer) as served:
        made = HostileCamera(served)
        try:
            yield made
        finally:
            for task in list(made.floods):
                task.cancel()


def in_turn(attacks: Iterator[Attack]) -> Attack:
    """Return one that is the next of *attacks* with every session."""
    return Attack(lambda: next(attacks).flood())


async def _until_told(bytes_per_s: float) -> None:
    begin, kinds = asyncio.Event(), list(ATTACKS.values())
    async with AsyncExitStack() as stack:
        cameras = [
            await stack.enter_async_context(
                hostile_camera(
                    in_turn(itertools.cycle(kinds[number::CAMERAS])),
                    bytes_per_s=bytes_per_s,
                    begin=begin,
                )
            )
            for number in range(CAMERAS)
        ]
        print(json.dumps([each.url for each in cameras]), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begin.set()
        await asyncio.to_thread(sys.stdin.read)
        counts = Counter(sessions=sum(each.sessions for each in cameras))
        counts["bytes"] = sum(each.sent_bytes for each in cameras)
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_until_told(float(sys.argv[1])))
