"""Which video a container announces, so that another one within it is told. No I/O, no FFmpeg.

FFmpeg goes on within one file as if nothing had happened: what comes of another encoder is given
out as the codec of before, or not at all. A camera that is set to another codec, or starts again
behind a server, changes just so what it announces.

References: ISO/IEC 13818-1 §2.4.4 (tables of MPEG-TS); Adobe FLV 10.1 annex E.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from gateway.demuxing.messages import ContainerFormat
from gateway.rtmp.flv import codec_of, is_command
from gateway.rtp.mpeg_ts import TS_BYTES, TS_SYNC

_PAT_PID, _PAT, _PMT = 0, 0x00, 0x02
_MOST_PROGRAMMES = 64
"""Whose tables are looked at; an encoder has one."""
_VIDEO_TYPES = frozenset((0x01, 0x02, 0x10, 0x1B, 0x21, 0x24, 0x33, 0xD1, 0xEA))
"""MPEG-1, MPEG-2, MPEG-4, H.264, JPEG 2000, H.265, H.266, Dirac, VC-1."""
_MIRRORED = bytes(int(f"{each:08b}"[::-1], 2) for each in range(256))

_TAG_BYTES, _CODEC_BYTES, _SIZE_BYTES = 11, 5, 4
_VIDEO = 9
_KINDS = frozenset((8, _VIDEO, 18))
"""Of tags: sound, video, data."""


class AnnouncedVideo(Protocol):
    """Looks at the bytes of one container as they come."""

    def same(self, raw: bytes) -> int:
        """Return how many bytes of *raw* there are before another video begins."""
        ...


class AnyVideo:
    """Of containers that cannot announce another video within themselves."""

    def same(self, raw: bytes) -> int:
        """Return the length of *raw*."""
        return len(raw)


class FlvVideo:
    """The video of an FLV file: another codec is another video, and so is another file."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._wanted = _TAG_BYTES  # so much of the head must have come
        self._skip = 0  # bytes until the next head
        self._begun = self._lost = False
        self._codec = ""

    def same(self, raw: bytes) -> int:
        """Return how many bytes of *raw* there are before another video begins."""
        at = 0
        while at < len(raw) and not self._lost:
            if self._skip:
                step = min(self._skip, len(raw) - at)
                self._skip -= step
            else:
                begins = at - len(self._head)
                step = min(self._wanted - len(self._head), len(raw) - at)
                self._head += raw[at : at + step]
                if len(self._head) == self._wanted and self._ends_video():
                    return max(0, begins)
            at += step
        return len(raw)

    def _ends_video(self) -> bool:
        """Take what has come of a head; return whether another video begins with it."""
        head = bytes(self._head)
        if head.startswith(b"FLV"):
            ends, self._begun = self._begun, True
            return ends or self._go_on(int.from_bytes(head[5:9]) + _SIZE_BYTES)
        size = int.from_bytes(head[1:4])
        self._wanted = _TAG_BYTES + min(size, _CODEC_BYTES)
        if len(head) < self._wanted:
            return False
        self._lost = head[0] & 0x1F not in _KINDS
        self._go_on(_TAG_BYTES + size + _SIZE_BYTES)
        return head[0] & 0x1F == _VIDEO and self._is_other(head[_TAG_BYTES:])

    def _go_on(self, length: int) -> bool:
        """Look for the next head behind one with *length* bytes; return False."""
        self._skip = max(0, length - len(self._head))
        self._head.clear()
        self._wanted = _TAG_BYTES
        return False

    def _is_other(self, body: bytes) -> bool:
        if not body or is_command(body):
            return False
        before, codec = self._codec, codec_of(body)
        if codec.startswith("FourCC"):  # or one of the ways to say more before the codec
            return False
        self._codec = codec
        return before not in ("", codec)


class _Sections:
    """Puts the sections of one PID together."""

    def __init__(self) -> None:
        self._begun: bytearray | None = None

    def push(self, payload: bytes, *, start: bool) -> Iterator[bytes]:
        """Yield each section that *payload* completes and whose checksum is right."""
        if start:
            behind = 1 + payload[0]
            yield from self._completed(payload[1:behind])
            self._begun, payload = bytearray(), payload[behind:]
        yield from self._completed(payload)

    def _completed(self, piece: bytes) -> Iterator[bytes]:
        if self._begun is None:
            return
        self._begun += piece
        while self._begun is not None and len(self._begun) >= 3:
            length = 3 + (int.from_bytes(self._begun[1:3]) & 0xFFF)
            if self._begun[0] == 0xFF:
                self._begun = None
            elif len(self._begun) < length:
                return
            else:
                section, self._begun = bytes(self._begun[:length]), self._begun[length:]
                if not _crc32(section):
                    yield section


class TransportVideo:
    """The first video of the first programme of MPEG-TS: its PID and type."""

    def __init__(self) -> None:
        self._rest = b""
        self._tables: dict[int, _Sections] = {_PAT_PID: _Sections()}
        self._programme = 0
        self._video: tuple[int, int] | None = None

    def same(self, raw: bytes) -> int:
        """Return how many bytes of *raw* there are before another video begins."""
        data, before = self._rest + raw, len(self._rest)
        at = _synchronised(data, 0)
        while at + TS_BYTES <= len(data):
            if data[at] != TS_SYNC:
                at = _synchronised(data, at)
                continue
            sections = self._tables.get(int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF)
            if sections is not None and self._ends_video(sections, data[at : at + TS_BYTES]):
                return max(0, at - before)
            at += TS_BYTES
        self._rest = data[at:]
        return len(raw)

    def _ends_video(self, sections: _Sections, packet: bytes) -> bool:
        """Return whether another video begins with *packet*, which is of a table."""
        begins = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
        payload = packet[begins:] if packet[3] & 0x10 else b""
        if not payload or packet[1] & 0x80:
            return False
        found = sections.push(payload, start=bool(packet[1] & 0x40))
        return any(self._is_other(section) for section in found)

    def _is_other(self, section: bytes) -> bool:
        kind, number, current = section[0], int.from_bytes(section[3:5]), section[5:6]
        if len(section) < 12 or not current[0] & 1:
            return False
        if kind == _PAT:
            return self._leaves_programme(section)
        return kind == _PMT and self._leaves_video(number, list(_videos(section)))

    def _leaves_programme(self, section: bytes) -> bool:
        listed: set[int] = set()
        for at in range(8, len(section) - 7, 4):
            number, pid = (int.from_bytes(section[at + each : at + each + 2]) for each in (0, 2))
            listed.add(number)
            if number and len(self._tables) < _MOST_PROGRAMMES:
                self._tables.setdefault(pid & 0x1FFF, _Sections())
        whole = section[7] == 0  # its number is the last: there are no further sections
        return whole and self._video is not None and self._programme not in listed

    def _leaves_video(self, programme: int, videos: list[tuple[int, int]]) -> bool:
        if self._video is None and videos:
            self._programme, self._video = programme, videos[0]
        return bool(videos) and programme == self._programme and self._video not in videos


def _synchronised(data: bytes, at: int) -> int:
    """Return where packets begin from *at* on, as far as that can be told; the end if it cannot."""
    at = data.find(TS_SYNC, at)
    while 0 <= at < len(data) - TS_BYTES and data[at + TS_BYTES] != TS_SYNC:
        at = data.find(TS_SYNC, at + 1)
    return len(data) if at < 0 else at


def _videos(section: bytes) -> Iterator[tuple[int, int]]:
    """Yield type and PID of each video in a PMT."""
    at = 12 + (int.from_bytes(section[10:12]) & 0xFFF)
    while at + 5 <= len(section) - 4:
        if section[at] in _VIDEO_TYPES:
            yield section[at], int.from_bytes(section[at + 1 : at + 3]) & 0x1FFF
        at += 5 + (int.from_bytes(section[at + 3 : at + 5]) & 0xFFF)


def _crc32(section: bytes) -> int:
    """Return 0 if the checksum at the end of *section* is right (ISO/IEC 13818-1 annex A).

    It is that of zlib with each byte, and the sum, from right to left.
    """
    sum_of_ours = zlib.crc32(section[:-4].translate(_MIRRORED)) ^ 0xFFFF_FFFF
    return sum_of_ours ^ int.from_bytes(section[-4:].translate(_MIRRORED), "little")


def announced_video(container_format: ContainerFormat) -> AnnouncedVideo:
    """Return what looks at a container of *container_format*."""
    made: dict[ContainerFormat, Callable[[], AnnouncedVideo]] = {
        "flv": FlvVideo,
        "mpegts": TransportVideo,
        "mp4": AnyVideo,
    }
    return made[container_format]()
