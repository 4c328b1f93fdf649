"""Containers made to do harm: each ends with an error of ours at most, and nothing else suffers."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from gateway.demuxing.messages import ContainerFormat
from gateway.demuxing.process import DemuxProcess, demuxing
from gateway.demuxing.worker import MEMORY_BYTES
from gateway.model.errors import GatewayError
from tests.fixtures.clock import HANG_S
from tests.fixtures.containers import TsWriter, container, flv, flv_tags, tag


def programme_of(streams: int) -> bytes:
    """Return a PMT with so many streams of video, in several sections, and what is in none."""
    out = TsWriter()
    for first in range(0, streams, 30):
        body = b"\xe1\x01\xf0\x00"
        for number in range(first, min(first + 30, streams)):
            body += b"\x1b" + (0xE000 | 0x200 + number).to_bytes(2) + b"\xf0\x00"
        out.table(TsWriter.PMT_PID, 0x02, body)
    return out.data + container("mpegts")


def programmes(count: int) -> bytes:
    """Return one PAT after the other, each with other programmes."""
    out = TsWriter()
    for first in range(0, count, 40):
        entries = b"".join(
            (each + 1).to_bytes(2) + (0xE000 | 0x20 + each % 0x1F00).to_bytes(2)
            for each in range(first, first + 40)
        )
        out.table(0, 0x00, entries)
    return out.data


def huge_picture() -> bytes:
    """Return a picture of 12 MB in one PES, and one that is whole behind it."""
    out = TsWriter()
    for time in range(12):
        out.pes(b"\0\0\1\x65\x88" + b"\x55" * (12_000_000 if time == 10 else 90), 3_600 * time)
    return out.data


def nested_metadata(depth: int) -> bytes:
    """Return metadata with objects within objects (AMF 0)."""
    inner = b"\x02\x00\x0aonMetaData" + b"\x03\x00\x01a" * depth + b"\x00\x00\x09" * depth
    return flv(tag(18, 0, inner))


def lying_lengths() -> bytes:
    """Return FLV whose NAL units say that they are 4 GB long."""
    head = [each for each in flv_tags(container("flv")) if each[0] == 9][:1]
    return flv(*head, *[tag(9, 40 * each, b"\x27\x01\0\0\0" + b"\xff" * 900) for each in range(99)])


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack("!I4s", len(body) + 8, kind) + body


def nested_boxes(depth: int) -> bytes:
    """Return boxes within boxes."""
    inner = b""
    for _ in range(depth):
        inner = box(b"udta", inner)
    return container("mp4")[:24] + box(b"moov", inner)


def many_samples() -> bytes:
    """Return a fragment that says that it has four billion samples."""
    data = container("mp4")
    at = data.index(b"trun") + 8
    return data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]


HOSTILE: dict[str, tuple[ContainerFormat, Callable[[], bytes]]] = {
    "1,000 streams": ("mpegts", lambda: programme_of(1_000)),
    "8,000 programmes": ("mpegts", lambda: programmes(8_000)),
    "endless PAT": ("mpegts", lambda: TsWriter().data[:188] * 40_000),
    "sync bytes only": ("mpegts", lambda: b"\x47" * 4_000_000),
    "a picture of 12 MB": ("mpegts", huge_picture),
    "a tag of 16 MB": ("flv", lambda: flv(tag(9, 0, b"\x17\x01\0\0\0" + bytes(16_000_000)))),
    "a tag that ends early": ("flv", lambda: flv(b"\x09\xff\xff\xff" + bytes(7))),
    "a header of 16 MB": ("flv", lambda: flv(tag(9, 0, b"\x17\x00\0\0\0" + bytes(16_000_000)))),
    "metadata 100,000 deep": ("flv", lambda: nested_metadata(100_000)),
    "NAL units of 4 GB": ("flv", lying_lengths),
    "100,000 headers": ("flv", lambda: flv(*flv_tags(container("flv"))[1:2] * 100_000)),
    "100,000 empty tags": ("flv", lambda: flv(*[tag(9, 0, b"")] * 100_000)),
    "boxes 10,000 deep": ("mp4", lambda: nested_boxes(10_000)),
    "a box of 2**63": ("mp4", lambda: struct.pack("!I4sQ", 1, b"moov", 1 << 63)),
    "four billion samples": ("mp4", many_samples),
}


def data_bytes(pid: int) -> int:
    """Return how much memory RLIMIT_DATA counts of process *pid*; 0: it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))


async def demuxed(child: DemuxProcess, data: bytes) -> int:
    """Return how many pictures come out of *data*, before it ends or the child fails."""
    count = 0

    async def feed() -> None:
        with suppress(GatewayError):
            for at in range(0, len(data), 65_536):
                await child.write(data[at : at + 65_536])
            child.finish()

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        group.create_task(feed(), name="feed")
        with suppress(GatewayError):
            async with aclosing(child.units()) as units:
                async for _ in units:
                    count += 1
    return count


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_containers_end_the_child_at_most(name: str) -> None:
    """Whatever they are, only one of our errors comes out, and the child is within its memory."""
    container_format, make = HOSTILE[name]
    async with demuxing(container_format) as child:
        await demuxed(child, make())
        assert data_bytes(child.pid) <= MEMORY_BYTES


async def test_a_picture_that_is_too_large_is_left_out_alone() -> None:
    """Those around it are not."""
    async with demuxing("mpegts") as child:
        assert await demuxed(child, huge_picture()) == 11
