"""Not waking for a delimiter: a camera's socket sleeps on until the picture itself is there.

Encoders that begin each picture with an access unit delimiter send it as a packet of its own,
often a moment before the rest: a wake-up for 18 bytes that nobody needs. Once a camera has been
seen to do so, its socket reports readable only from a few bytes on (``SO_RCVLOWAT``, socket(7)),
and only between pictures, so that the last bytes of a picture never wait.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

DELIMITER_BYTES = 19
"""Interleaved header 4, RTP header 12, H.265 delimiter 3 (H.264: 2). Everything else that a
camera may send by itself is longer: the smallest picture, a report, a response."""

_MARKER = 0x80


class Gather:
    """Decides how many bytes are worth waking for on one connection.

    Args:
        held: The connection's socket; None leaves everything as it is.

    Attributes:
        least_bytes: What is worth waking for now.
    """

    def __init__(self, held: socket.socket | None) -> None:
        self._held = held
        self._worthwhile = False
        self.least_bytes = 1

    def read(self, count: int, packets: Sequence[bytes], *, whole: bool) -> None:
        """Learn from a read of *count* bytes which had *packets* in it.

        Args:
            count: Bytes of this read.
            packets: The video's RTP packets that it completed.
            whole: Whether nothing incomplete is left.
        """
        marked = bool(packets) and packets[-1][1] & _MARKER != 0
        if count <= DELIMITER_BYTES and len(packets) == 1 and not marked:
            self._worthwhile = True
        if not self._worthwhile or self._held is None or (whole and not packets):
            return
        least_bytes = DELIMITER_BYTES + 1 if marked and whole else 1
        if least_bytes != self.least_bytes:
            self.least_bytes = least_bytes
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least_bytes)
