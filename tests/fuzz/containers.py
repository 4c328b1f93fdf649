"""Containers, damaged at random, into the demuxing code, until the time is up.

    python -m tests.fuzz.containers SECONDS SEED

FFmpeg's part runs in a child as the gateway runs it, sandbox and all: it may die, and must say so;
what it says must be what a child may say. Our part, which is in the gateway's process (messages,
access units, MPEG-TS out of datagrams), may raise nothing but errors of our tree. Prints what was
tried, how often the child died, and the seed of a failure.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import aclosing
from random import Random

from gateway.demuxing.messages import FORMATS, ContainerFormat
from gateway.demuxing.process import DemuxedUnit, DemuxProcess, demuxing
from gateway.model.errors import GatewayError
from gateway.model.media import Codec, SourceCounters
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.payload import nal_units
from gateway.rtsp.budget import CameraBudget
from gateway.sources.container_units import ContainerUnits
from gateway.sources.http_container import sniff
from gateway.sources.timeline import Timeline
from tests.fixtures.clock import FakeClock
from tests.fixtures.containers import container

LIMIT = 1_180
SEEDS: tuple[tuple[ContainerFormat, Codec], ...] = (
    ("flv", "h264"),
    ("flv", "h265"),
    ("mpegts", "h264"),
    ("mpegts", "h265"),
    ("mpegts", "mpeg4"),
    ("mp4", "h264"),
    ("mp4", "h265"),
    ("mp4", "mjpeg"),
)
WORDS = (
    b"\xff" * 8,
    bytes(8),
    b"FLV\x01\x05\0\0\0\x09\0\0\0\0",
    b"\x47\x40\0\x10\0\0\xb0\x0d",
    b"\0\0\0\1moof",
    b"\0\0\1\xe0\0\0",
    b"\0\0\0\1\x67",
    b"\x7f\xff\xff\xff",
)


def damage(data: bytes, random: Random) -> bytes:
    """Return *data* with some bytes changed, cut out, doubled or put in."""
    made = bytearray(data[: random.randrange(200, len(data))])
    for _ in range(random.choice((0, 1, 3, 20, 200))):
        at = random.randrange(len(made))
        match random.randrange(5):
            case 0:
                made[at] = random.randrange(256)
            case 1:
                made[at] ^= 1 << random.randrange(8)
            case 2:
                del made[at : at + random.choice((1, 4, 188, 1_000))]
            case 3:
                made[at:at] = made[at : at + random.choice((1, 188, 4_000))]
            case _:
                word = random.choice(WORDS)
                made[at : at + len(word)] = word
        if len(made) < 16:
            break
    return bytes(made)


def check_units(unit: DemuxedUnit, units: ContainerUnits) -> None:
    """Make access units of *unit*, and check that they keep their contract."""
    for made in units.push(unit, 0.0):
        assert made.payloads
        assert made.size_bytes == sum(map(len, made.payloads))
        if unit.codec in CODEC_SYNTAX:
            assert max(map(len, made.payloads)) <= LIMIT
            list(nal_units(CODEC_SYNTAX[unit.codec].payload_format, made.payloads))


async def demux(child: DemuxProcess, data: bytes, tried: Counter[str]) -> None:
    """Send *data* through *child*; raises only what is a bug of ours."""
    units: dict[Codec, ContainerUnits] = {}

    async def send() -> None:
        try:
            for at in range(0, len(data), 4_096):
                await child.write(data[at : at + 4_096])
            child.finish()
        except GatewayError:
            return

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(send(), name="send")
        try:
            async with aclosing(child.units()) as demuxed:
                async for unit in demuxed:
                    tried["pictures"] += 1
                    check_units(unit, units.setdefault(unit.codec, _units(unit.codec)))
        except GatewayError as error:
            tried[f"{error.reason}: {error.detail}"] += 1


def _units(codec: Codec) -> ContainerUnits:
    counters = SourceCounters()
    return ContainerUnits(
        codec,
        timeline=Timeline(counters),
        counters=counters,
        payload_bytes=LIMIT,
        budget=CameraBudget(FakeClock()),
    )


def fuzz_pieces(random: Random, tried: Counter[str]) -> None:
    """Let a child that somebody has taken over say anything that its messages can."""
    codec: Codec = random.choice(("h264", "h265", "mjpeg", "mpeg4"))
    units = _units(codec)
    for _ in range(50):
        count = random.randrange(1, 6) if codec in CODEC_SYNTAX else 1
        pieces = [random.randbytes(random.choice((1, 2, 3, 40, 3_000))) for _ in range(count)]
        unit = DemuxedUnit(codec, random.randrange(-(2**63), 2**63), pieces, random.randrange(99))
        try:
            check_units(unit, units)
        except GatewayError:
            tried["refused pieces"] += 1
        tried["pieces"] += 1
    sniff(random.randbytes(random.randrange(800)))


async def run(seconds: float, seed: int) -> None:
    """Try until *seconds* are over."""
    until_s = time.monotonic() + seconds
    tried: Counter[str] = Counter()
    number = seed
    while time.monotonic() < until_s:
        random = Random(number)
        container_format, codec = random.choice(SEEDS)
        data = damage(container(container_format, codec), random)
        chosen = random.choice(FORMATS) if random.random() < 0.05 else container_format
        try:
            fuzz_pieces(random, tried)
            async with demuxing(chosen) as child:
                await demux(child, data, tried)
        except BaseException:
            print(f"seed {number}")
            raise
        tried["containers"] += 1
        number += 1
    for what, count in sorted(tried.items()):
        print(f"{count:8} {what}")


def main() -> int:
    """Run; return the exit code."""
    asyncio.run(run(float(sys.argv[1]), int(sys.argv[2])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
