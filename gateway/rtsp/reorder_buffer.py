"""Puts UDP packets back into the order in which they were sent, within a window. No I/O.

A gap is waited for until `WINDOW` packets stand behind it or `HOLD_S` have passed, then given up;
whoever reads the sequence numbers afterwards counts it as lost.

References: RFC 3550 §5.1 and §A.1.
"""

from __future__ import annotations

WINDOW = 64
HOLD_S = 0.1
RESTART = 1_024
"""A step larger than this is not disorder: the camera has begun a new sequence."""


class ReorderBuffer:
    """Sorts one stream's packets by sequence number.

    Attributes:
        discarded: Packets that were no RTP, came twice, or came too late.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, bytes] = {}
        self._held_since_s = 0.0
        self.discarded = 0

    def push(self, packets: list[bytes], now_s: float) -> list[bytes]:
        """Add *packets*; return those that can be passed on, in order."""
        ready: list[bytes] = []
        for packet in packets:
            if len(packet) < 12 or packet[0] >> 6 != 2:
                self.discarded += 1
            else:
                self._insert(packet, now_s, ready)
        if self._held and now_s - self._held_since_s >= HOLD_S:
            self._skip_gap(now_s, ready)
        return ready

    def _insert(self, packet: bytes, now_s: float, ready: list[bytes]) -> None:
        seq = packet[2] << 8 | packet[3]
        if self._next is None:
            self._next = seq
        ahead = (seq - self._next) & 0xFFFF
        if RESTART < ahead < 0x10000 - RESTART:
            while self._held:
                self._skip_gap(now_s, ready)
            self._next, ahead = seq, 0
        if ahead == 0:
            ready.append(packet)
            self._next = (seq + 1) & 0xFFFF
            self._drain(now_s, ready)
        elif ahead > RESTART or seq in self._held:
            self.discarded += 1
        else:
            if not self._held:
                self._held_since_s = now_s
            self._held[seq] = packet
            if len(self._held) > WINDOW:
                self._skip_gap(now_s, ready)

    def _drain(self, now_s: float, ready: list[bytes]) -> None:
        """Pass on what has been held and is next; what remains waits for another gap."""
        assert self._next is not None
        while (packet := self._held.pop(self._next, None)) is not None:
            ready.append(packet)
            self._next = (self._next + 1) & 0xFFFF
            self._held_since_s = now_s

    def _skip_gap(self, now_s: float, ready: list[bytes]) -> None:
        awaited = self._next or 0
        self._next = min(self._held, key=lambda seq: (seq - awaited) & 0xFFFF)
        self._drain(now_s, ready)
