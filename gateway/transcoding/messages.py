"""Messages between the gateway and a transcoding child: fixed headers with lengths, no pickle.

Neither end trusts the other's lengths: the child gets what a camera has sent, and a hostile picture
may have taken over the child. `ReportParser` raises at the first thing that the child cannot have
meant.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.vision.pieces import MessageParser, join_pieces
from gateway.vision.pipe import MalformedMessage

MAX_INPUT_BYTES = 8 * 1024 * 1024
"""As much as one access unit of a camera may have (`gateway.sources.depacketizer`)."""
MAX_INPUT_PAYLOADS = 20_000
MAX_OUTPUT_BYTES = 2 * 1024 * 1024
"""A keyframe of 1080p at quality 18 has a third of that."""
MAX_OUTPUT_NALS = 512
MAX_CPU_S = 1e9
"""Thirty years of one core."""

EXIT_MALFORMED, EXIT_ENCODER = 3, 4
"""With what a child ends that was sent what it cannot read, or whose encoder fails."""

_MAGIC = 0x5452
_INPUT = struct.Struct("!HBBIIIqd")
_OUTPUT = struct.Struct("!HBBIIqIIIBxHHf")
INPUT_BYTES, OUTPUT_BYTES = _INPUT.size, _OUTPUT.size


class Command(IntEnum):
    """What the gateway sends."""

    UNIT = 1
    KEYFRAME = 2


class Report(IntEnum):
    """What the child sends. READY once, with text; then one of the others for each unit.

    OPEN comes once, with text, behind the first unit from a child that has closed its sandbox only
    then; CHANGED from one that ends because the camera's picture is not what it was made for.
    """

    READY = 0
    UNIT = 1
    PROGRESS = 2
    OPEN = 3
    CHANGED = 4


@dataclass(frozen=True, slots=True)
class InputHeader:
    """A unit for the child, or the wish for a keyframe; the body follows.

    Attributes:
        command: What this is.
        keyframe: Whether a decoder can start here.
        cached: Whether it comes from the cached GOP: decoded at full speed, not shown.
        payloads: How many RTP payloads the body holds, each behind its length of four bytes.
        length: Of the body.
        serial: Number of the unit; the reports refer to it.
        time_90k: When the picture is shown.
        arrived_s: When it came, on the monotonic clock, which both ends share.
    """

    command: Command
    keyframe: bool
    cached: bool
    payloads: int
    length: int
    serial: int
    time_90k: int
    arrived_s: float


def pack_unit(head: InputHeader, payloads: Sequence[bytes]) -> bytes:
    """Return a unit as bytes for the pipe; `payloads` and `length` of *head* are filled in."""
    body = join_pieces(payloads)
    flags = head.keyframe | head.cached << 1
    packed = _INPUT.pack(
        _MAGIC,
        head.command,
        flags,
        len(payloads),
        len(body),
        head.serial,
        head.time_90k,
        head.arrived_s,
    )
    return packed + body


def pack_keyframe_request() -> bytes:
    """Return the wish for a keyframe as bytes for the pipe."""
    return _INPUT.pack(_MAGIC, Command.KEYFRAME, 0, 0, 0, 0, 0, 0.0)


def parse_input_header(raw: bytes) -> InputHeader:
    """Return the header in *raw*, `INPUT_BYTES` long. Raises MalformedMessage."""
    magic, command, flags, payloads, length, serial, time_90k, arrived_s = _INPUT.unpack(raw)
    if magic != _MAGIC or command not in tuple(Command):
        raise MalformedMessage("no command")
    if payloads > MAX_INPUT_PAYLOADS or length > MAX_INPUT_BYTES + 4 * MAX_INPUT_PAYLOADS:
        raise MalformedMessage("a unit of impossible length")
    return InputHeader(
        Command(command),
        bool(flags & 1),
        bool(flags & 2),
        payloads,
        length,
        serial,
        time_90k,
        arrived_s,
    )


@dataclass(frozen=True, slots=True)
class OutputHeader:
    """What the child says about one unit, and about itself.

    Attributes:
        report: What this is.
        keyframe: Whether a decoder can start here.
        nals: How many NAL units the body holds.
        serial: The newest unit that it has read.
        time_90k: When the picture is shown.
        decoded: Pictures decoded since it began.
        encoded: Pictures encoded.
        dropped: Units thrown away unread, since it had fallen behind.
        divisor: One picture of so many is encoded; 1: each.
        width: Of its pictures.
        height: Of its pictures.
        cpu_s: Processor time that it has taken, in seconds.
    """

    report: Report
    keyframe: bool = False
    nals: int = 0
    serial: int = 0
    time_90k: int = 0
    decoded: int = 0
    encoded: int = 0
    dropped: int = 0
    divisor: int = 1
    width: int = 0
    height: int = 0
    cpu_s: float = 0.0


def pack_report(head: OutputHeader, nals: Sequence[bytes] = ()) -> bytes:
    """Return a report as bytes for the pipe; the text of READY and OPEN is a NAL unit."""
    body = join_pieces(nals)
    packed = _OUTPUT.pack(
        _MAGIC,
        head.report,
        head.keyframe,
        len(nals) << 22 | len(body),
        head.serial,
        head.time_90k,
        head.decoded,
        head.encoded,
        head.dropped,
        head.divisor,
        head.width,
        head.height,
        head.cpu_s,
    )
    return packed + body


class ReportParser(MessageParser[OutputHeader]):
    """Makes reports out of the bytes that come from a child."""

    def __init__(self) -> None:
        super().__init__(OUTPUT_BYTES, _parse_output_header)


def _parse_output_header(raw: bytes) -> tuple[OutputHeader, int, int]:
    magic, report, keyframe, sizes, *rest = _OUTPUT.unpack(raw)
    if magic != _MAGIC or report not in tuple(Report):
        raise MalformedMessage("no report")
    nals, length = sizes >> 22, sizes & (1 << 22) - 1
    if nals > MAX_OUTPUT_NALS or length > MAX_OUTPUT_BYTES:
        raise MalformedMessage("a report of impossible length")
    if not 0 <= rest[-1] < MAX_CPU_S:  # nor is it NaN
        raise MalformedMessage("an impossible processor time")
    return OutputHeader(Report(report), bool(keyframe), nals, *rest), nals, length
