"""What was sent to a viewer lately, and what of it the viewer wants again (RFC 4588).

Holds references only: all viewers of a stream share its payloads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.fastpath import FrameRun
from gateway.model.media import AccessUnit

RETRANSMIT_WINDOW_S = 2.0
"""How long packets can be sent again. A viewer sends its NACK within a few round trips; 2 s is no
longer than a usual GOP, which is held anyway."""

HOLDOFF_S = 0.02
"""A packet is not sent again within this time, since the last one is still on its way; twice as
long after each repetition, so that who asks every few milliseconds waits for an answer too."""

REPEATS = 5
"""How often one packet is sent again. At a loss of 10 % one in a million is still missing then;
libwebrtc asks ten times, some others for as long as they wait for it."""

RETRANSMITTED = 2_048
"""Packets whose retransmissions are remembered; of more the oldest is forgotten."""

REQUESTED = 1_024
"""Numbers that may wait to be sent again. Browsers list at most 1,000 missing packets (libwebrtc,
``kMaxNackPackets``)."""


@dataclass(frozen=True, slots=True)
class SentPacket:
    """One packet as it was sent.

    Attributes:
        payload: Behind its RTP header.
        rtp_time: As sent, 32 bits.
        marker: Whether it is the last one of its access unit.
    """

    payload: bytes
    rtp_time: int
    marker: bool


@dataclass(frozen=True, slots=True)
class SentUnit:
    """One access unit as it was sent.

    Attributes:
        first_seq: Extended sequence number of its first packet.
        rtp_time: As sent, 32 bits.
        unit: Its payloads, in the order of the sequence numbers.
        sent_s: When, on the monotonic clock.
    """

    first_seq: int
    rtp_time: int
    unit: AccessUnit
    sent_s: float

    @property
    def packets(self) -> int:
        """How many packets."""
        return len(self.unit.payloads)

    def packet(self, index: int) -> SentPacket:
        """Return packet *index*."""
        payloads = self.unit.payloads
        return SentPacket(payloads[index], self.rtp_time, index == len(payloads) - 1)


@dataclass(frozen=True, slots=True)
class SentRun:
    """Consecutive access units, sent by the fast path.

    Attributes:
        first_seq: Extended sequence number of the first packet.
        offset_90k: Added to their times to get RTP time.
        run: The units.
    """

    first_seq: int
    offset_90k: int
    run: FrameRun

    @property
    def packets(self) -> int:
        """How many packets."""
        return self.run.packets

    @property
    def sent_s(self) -> float:
        """When the last one was sent."""
        return self.run.newest_s

    def packet(self, index: int) -> SentPacket:
        """Return packet *index*."""
        payload, time_90k, marker = self.run.packet(index)
        return SentPacket(payload, (time_90k + self.offset_90k) & 0xFFFF_FFFF, marker)


class RetransmitBuffer:
    """Finds a sent packet by its 16-bit sequence number."""

    def __init__(self) -> None:
        self._sent: deque[SentUnit | SentRun] = deque()
        self._repeated: OrderedDict[int, tuple[int, float]] = OrderedDict()

    def record(self, sent: SentUnit | SentRun) -> None:
        """Add a unit, or a run of them; drop what is older than `RETRANSMIT_WINDOW_S`."""
        self._sent.append(sent)
        oldest_s = sent.sent_s - RETRANSMIT_WINDOW_S
        while self._sent[0].sent_s < oldest_s:
            self._sent.popleft()

    def clear(self) -> None:
        """Drop all units."""
        self._sent.clear()

    def find(self, seq: int, now_s: float) -> SentPacket | None:
        """Return the packet with 16-bit *seq*.

        None if it is unknown, too old, or was sent again a moment ago (`HOLDOFF_S`) or `REPEATS`
        times. What lies outside of the numbers held costs a comparison, the rest a bisection.
        """
        if not self._sent:
            return None
        newest = self._sent[-1]
        last = newest.first_seq + newest.packets - 1
        extended = last - ((last - seq) & 0xFFFF)
        if extended < self._sent[0].first_seq:
            return None
        repeats, not_before_s = self._repeated.get(extended, (0, now_s))
        if repeats == REPEATS or now_s < not_before_s:
            return None
        sent = self._sent[bisect_right(self._sent, extended, key=_first_seq) - 1]
        index = extended - sent.first_seq
        if index >= sent.packets:
            return None
        self._repeated[extended] = repeats + 1, now_s + HOLDOFF_S * 2**repeats
        self._repeated.move_to_end(extended)
        if len(self._repeated) > RETRANSMITTED:
            self._repeated.popitem(last=False)
        return sent.packet(index)


class RetransmitRequests:
    """Numbers that a viewer has asked for and not been sent again yet, in its order.

    Attributes:
        refused: Calls of `add` of which a part found no room.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, None] = OrderedDict()
        self.refused = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, seqs: Iterable[int]) -> None:
        """Add *seqs*, 16 bits each, that do not wait already; `REQUESTED` may wait in all."""
        for seq in seqs:
            if seq not in self._waiting and len(self._waiting) == REQUESTED:
                self.refused += 1
                return
            self._waiting[seq] = None

    def pop(self) -> int:
        """Return and forget the one that has waited for longest. There must be one."""
        return self._waiting.popitem(last=False)[0]

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()


def _first_seq(sent: SentUnit | SentRun) -> int:
    return sent.first_seq
