"""Puts UDP packets back into the order in which they were sent, within a window. No I/O.

A gap is waited for until `WINDOW` packets stand behind it or `HOLD_S` have passed, then given up;
whoever reads the sequence numbers afterwards counts it as lost.

References: RFC 3550 §5.1 and §A.1.
"""

from __future__ import annotations

from gateway.rtp.packet import HEADER_BYTES, signed16, strip_extensions

WINDOW = 64
HOLD_S = 0.1
RESTART = 1_024
"""A step larger than this is not disorder: the camera has begun a new sequence."""

_SOURCE = slice(8, HEADER_BYTES)


class ReorderBuffer:
    """Sorts one stream's packets by sequence number.

    Packets that are not the video's, or have no payload, may take a number or have that of a
    neighbour: they are passed on where they stand, and their number is not waited for.

    Attributes:
        payload_type: Of the video; None: all packets are its.
        discarded: Packets that were no RTP, came twice, or came too late.
    """

    def __init__(self) -> None:
        self.payload_type: int | None = None
        self._next: int | None = None
        self._latest = b""  # packet of the video that was next in order
        self._left: tuple[bytes, int] | None = None  # source before, and its number that was next
        self._held: dict[int, bytes] = {}
        self._taken: set[int] = set()  # numbers from `_next` on that bystanders may have taken
        self._held_since_s = 0.0
        self.discarded = 0

    def push(self, packets: list[bytes], now_s: float) -> list[bytes]:
        """Add *packets*; return those that can be passed on, in order."""
        ready: list[bytes] = []
        for packet in packets:
            if len(packet) < HEADER_BYTES or packet[0] >> 6 != 2:
                self.discarded += 1
            elif self._is_bystander(packet):
                self._insert_bystander(packet, now_s, ready)
            else:
                self._insert(packet, now_s, ready)
        if self._held and now_s - self._held_since_s >= HOLD_S:
            self._skip_gap(now_s, ready)
        return ready

    def expects(self, seq: int) -> bool:
        """Return whether nothing is held, and packet *seq* (16 bits) is next beyond doubt."""
        return self._next == seq and not self._held and not self._taken

    def continue_from(self, seq: int, source: int) -> None:
        """Expect packet *seq* of the SSRC *source* next.

        Those before it have been passed on by somebody else.
        """
        self._next = seq
        self._latest = bytes(_SOURCE.start) + source.to_bytes(4)

    def _is_bystander(self, packet: bytes) -> bool:
        if self.payload_type is None:
            return False
        if packet[1] & 0x7F != self.payload_type:
            return True
        plain = len(packet) > HEADER_BYTES and packet[0] == 0x80
        return not plain and len(strip_extensions(packet)) == HEADER_BYTES

    def _insert_bystander(self, packet: bytes, now_s: float, ready: list[bytes]) -> None:
        ready.append(packet)
        if self._next is None:
            return
        ahead = signed16((packet[2] << 8 | packet[3]) - self._next)
        if -1 <= ahead <= WINDOW and len(self._taken) < WINDOW:
            # One that repeats the number before may stand for the next, which is left out.
            self._taken.add(self._next + max(0, ahead) & 0xFFFF)
            self._drain(now_s, ready)

    def _insert(self, packet: bytes, now_s: float, ready: list[bytes]) -> None:
        seq = packet[2] << 8 | packet[3]
        if self._next is None:
            self._next = seq
        ahead = (seq - self._next) & 0xFFFF
        if ahead and self._is_left_behind(packet, seq):
            self.discarded += 1
            return
        if ahead and self._is_anew(packet, ahead):
            self._begin_anew(seq, now_s, ready)
            ahead = 0
        if ahead == 0:
            ready.append(packet)
            self._latest = packet
            self._advance((seq + 1) & 0xFFFF)
            self._drain(now_s, ready)
        elif ahead > RESTART or seq in self._held:
            self.discarded += 1
        else:
            if not self._held:
                self._held_since_s = now_s
            self._held[seq] = packet
            self._drain(now_s, ready)
            if len(self._held) > WINDOW:
                self._skip_gap(now_s, ready)

    def _is_left_behind(self, packet: bytes, seq: int) -> bool:
        """Return whether *packet* is a late one of the SSRC before."""
        if self._left is None:
            return False
        source, following = self._left
        late = packet[_SOURCE] == source != self._latest[_SOURCE]
        return late and signed16(seq - following) < 0

    def _is_anew(self, packet: bytes, ahead: int) -> bool:
        """Return whether the camera counts anew: a wide step, or another SSRC (RFC 3550 §8.2)."""
        changed = bool(self._latest) and packet[_SOURCE] != self._latest[_SOURCE]
        return changed or RESTART < ahead < 0x10000 - RESTART

    def _begin_anew(self, seq: int, now_s: float, ready: list[bytes]) -> None:
        """Pass on what is held, and expect packet *seq* of the source that has begun."""
        while self._held:
            self._skip_gap(now_s, ready)
        self._left = self._latest[_SOURCE], self._next or 0
        self._taken.clear()
        self._next = seq

    def _drain(self, now_s: float, ready: list[bytes]) -> None:
        """Pass on what has been held and is next; what remains waits for another gap."""
        while self._held:
            assert self._next is not None
            seq = self._next
            while seq not in self._held and seq in self._taken:
                seq = (seq + 1) & 0xFFFF
            packet = self._held.pop(seq, None)
            if packet is None:
                return
            ready.append(packet)
            self._latest = packet
            self._advance((seq + 1) & 0xFFFF)
            self._held_since_s = now_s

    def _advance(self, following: int) -> None:
        self._next = following
        if self._taken:
            self._taken = {seq for seq in self._taken if signed16(seq - following) >= 0}

    def _skip_gap(self, now_s: float, ready: list[bytes]) -> None:
        awaited = self._next or 0
        self._next = min(self._held, key=lambda seq: (seq - awaited) & 0xFFFF)
        self._drain(now_s, ready)
