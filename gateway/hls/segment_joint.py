"""Joins segments of MPEG-TS into one stream. No I/O.

The counters of a stream's packets should go on from segment to segment (RFC 8216 §3). Those of many
servers begin anew in each, which a demuxer must take for a loss: the last picture of every segment
would be left out. Nothing is lost between segments that have come whole over TCP; so the joint is
marked as one where counters may jump.

Reference: ISO/IEC 13818-1 §2.4.3.2 to §2.4.3.5.
"""

from __future__ import annotations

from gateway.rtp.mpeg_ts import TS_BYTES, TS_SYNC

LOOKED_AT = 256
"""Packets at the beginning of a segment; what is in none of them has no picture waiting."""


class SegmentJoint:
    """Passes one segment on.

    Args:
        marked: Whether with a mark before the first packet of each PID.
    """

    def __init__(self, *, marked: bool) -> None:
        self._rest = b""
        self._left = LOOKED_AT if marked else 0
        self._seen: set[int] = set()

    def push(self, piece: bytes) -> bytes:
        """Return what comes next of the stream, now that *piece* has come of the segment."""
        data, self._rest = self._rest + piece, b""
        at, out = 0, []
        while self._left and at + TS_BYTES <= len(data):
            packet = data[at : at + TS_BYTES]
            out += [self._mark(packet), packet]
            at += TS_BYTES
        if self._left:
            self._rest = data[at:]
        else:
            out.append(data[at:])
        return b"".join(out)

    def finish(self) -> bytes:
        """Return what is left at the end of the segment."""
        return self._rest

    def _mark(self, packet: bytes) -> bytes:
        """Return what must stand before *packet*; empty: nothing."""
        self._left -= 1
        if packet[0] != TS_SYNC:
            self._left = 0  # packets of another length
            return b""
        pid = int.from_bytes(packet[1:3]) & 0x1FFF
        if pid in self._seen:
            return b""
        self._seen.add(pid)
        payload = packet[3] >> 4 & 1
        count = packet[3] - payload & 0xF
        return b"\x47" + pid.to_bytes(2) + bytes((0x20 | count, 183, 0x80)) + b"\xff" * 182
