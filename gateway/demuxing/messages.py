"""Messages of a demuxing child: fixed headers with lengths, no pickle.

The child gets the container's bytes as they are, and says what is in them. It may have been taken
over by a hostile container: `ReportParser` raises at the first thing that it cannot have meant.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, get_args

from gateway.model.media import Codec
from gateway.rtp.payload import MAX_AGGREGATED
from gateway.vision.pieces import MessageParser, join_pieces
from gateway.vision.pipe import MalformedMessage

ContainerFormat = Literal["flv", "mpegts", "mp4"]
"""FFmpeg's names. Of MP4 only the fragmented kind can be read from a pipe."""
FORMATS: tuple[ContainerFormat, ...] = get_args(ContainerFormat)

CODECS: tuple[Codec, ...] = get_args(Codec)
MAX_UNIT_BYTES = 4 * 1024 * 1024
"""A keyframe of a 4K camera at 30 Mb/s has a quarter of that."""
MAX_PIECES = MAX_AGGREGATED
MAX_TEXT_BYTES = 200

_MAGIC = 0x4458
_REPORT = struct.Struct("!HBxIIIq")
REPORT_BYTES = _REPORT.size


class Report(IntEnum):
    """What the child sends: READY once, then UNIT for each picture, and at the end why.

    READY may have one piece: what its sandbox lacks. NO_CONTAINER: the bytes are not of the format.
    NO_VIDEO: there is none among its streams. NO_CODEC: its only piece names a codec that we cannot
    take. CHANGED: what comes now belongs to another stream than what came before.
    """

    READY = 0
    UNIT = 1
    NO_CONTAINER = 2
    NO_VIDEO = 3
    NO_CODEC = 4
    CHANGED = 5


@dataclass(frozen=True, slots=True)
class ReportHeader:
    """What the child says; the pieces follow.

    Attributes:
        report: What this is.
        codec: Of a unit.
        time_90k: When the picture is shown, in ticks of 90 kHz on the container's clock.
        skipped: Packets of the video left out so far: too large, without time, damaged.
    """

    report: Report
    codec: Codec = "h264"
    time_90k: int = 0
    skipped: int = 0


def pack_report(head: ReportHeader, pieces: Sequence[bytes] = ()) -> bytes:
    """Return a report as bytes for the pipe.

    The pieces of a unit of H.264 or H.265 are its NAL units; others have one.
    """
    body = join_pieces(pieces)
    packed = _REPORT.pack(
        _MAGIC,
        head.report << 4 | CODECS.index(head.codec),
        len(pieces),
        len(body),
        head.skipped & 0xFFFF_FFFF,
        head.time_90k,
    )
    return packed + body


class ReportParser(MessageParser[ReportHeader]):
    """Makes reports out of the bytes that come from a child."""

    def __init__(self) -> None:
        super().__init__(REPORT_BYTES, _parse_header)


def _parse_header(raw: bytes) -> tuple[ReportHeader, int, int]:
    magic, kind, pieces, length, skipped, time_90k = _REPORT.unpack(raw)
    report, codec = kind >> 4, kind & 0xF
    if magic != _MAGIC or report not in tuple(Report) or codec >= len(CODECS):
        raise MalformedMessage("no report")
    unit = report == Report.UNIT
    if pieces > (MAX_PIECES if unit else 1) or (unit and not pieces):
        raise MalformedMessage("a report with an impossible number of pieces")
    if length > (MAX_UNIT_BYTES if unit else MAX_TEXT_BYTES) + 4 * pieces:
        raise MalformedMessage("a report of impossible length")
    return ReportHeader(Report(report), CODECS[codec], time_90k, skipped), pieces, length
