"""RTP headers and the arithmetic of numbers that wrap.

Pure functions. Payloads are parsed elsewhere (`payload`, `h264`, `h265`).

Reference: RFC 3550 §5.1, §5.3.1, appendix A.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER_BYTES = 12

_FIXED = struct.Struct("!BBHII")


class Malformed(ValueError):
    """Bytes from the network that are not what they should be."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet, taken apart; CSRC list, extension and padding are gone.

    Attributes:
        payload_type: 0-127.
        marker: On video: the last packet of an access unit, if the sender is honest.
        seq: 16-bit sequence number.
        time: 32-bit RTP timestamp.
        ssrc: Who sends.
        payload: May be empty.
    """

    payload_type: int
    marker: bool
    seq: int
    time: int
    ssrc: int
    payload: bytes


def parse_packet(packet: bytes) -> Packet:
    """Return the parts of *packet*.

    Raises:
        Malformed: Not RTP version 2, or shorter than its own header says.
    """
    if len(packet) < HEADER_BYTES:
        raise Malformed("shorter than an RTP header")
    first, second, seq, time, ssrc = _FIXED.unpack_from(packet)
    if first >> 6 != 2:
        raise Malformed("not RTP version 2")
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if len(packet) < start + 4:
            raise Malformed("header extension cut off")
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4])
    end = len(packet)
    if first & 0x20:
        end -= packet[-1]
    if start > end or (end == len(packet) and first & 0x20):
        raise Malformed("header or padding longer than the packet")
    return Packet(second & 0x7F, second > 0x7F, seq, time, ssrc, packet[start:end])


def parse_extension(packet: bytes) -> tuple[int, bytes] | None:
    """Return profile and body of the header extension of *packet*, a sound one; None: it has none.

    Reference: RFC 3550 §5.3.1.
    """
    if not packet[0] & 0x10:
        return None
    start = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    profile, words = struct.unpack_from("!HH", packet, start)
    return profile, packet[start + 4 : start + 4 + 4 * words]


def build_header(payload_type: int, marker: bool, seq: int, time: int, ssrc: int) -> bytes:
    """Return the twelve bytes in front of a payload; *seq* and *time* may be any width."""
    return _FIXED.pack(
        0x80, marker << 7 | payload_type, seq & 0xFFFF, time & 0xFFFF_FFFF, ssrc & 0xFFFF_FFFF
    )


def strip_extensions(packet: bytes) -> bytes:
    """Return *packet* with nothing between header and payload, nor behind.

    The first byte is left as it was. The header alone if there is no payload; empty if the packet
    is malformed.
    """
    try:
        return packet[:HEADER_BYTES] + parse_packet(packet).payload
    except Malformed:
        return b""


def signed16(difference: int) -> int:
    """Return how far ahead a sequence number is of another, given their difference."""
    return (difference + 0x8000 & 0xFFFF) - 0x8000


def signed32(difference: int) -> int:
    """Return how far ahead an RTP timestamp is of another, given their difference."""
    return (difference + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000


def extend(number: int, near: int, bits: int = 16) -> int:
    """Return the integer that is *number* modulo 2**bits and nearest to *near*.

    Extended sequence numbers and unwrapped timestamps are made this way; the result may be
    negative when *near* is close to 0.
    """
    half = 1 << bits - 1
    return near + ((number - near + half) & (2 * half - 1)) - half


MAX_LATE = 100
MAX_GAP = 3_000
"""A wider gap is a sender that counts anew (RFC 3550 A.1)."""


def count_missing(seq: int, wanted: int) -> int | None:
    """Return how many packets are missing before *seq*, where *wanted* was due.

    0 if the sender counts anew; None if *seq* is late or comes twice.
    """
    ahead = signed16(seq - wanted)
    if -MAX_LATE <= ahead < 0:
        return None
    return ahead if 0 < ahead < MAX_GAP else 0
