"""What was sent to a viewer lately, for retransmission (RFC 4588).

Holds references only: all viewers of a stream share its payloads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, deque
from dataclasses import dataclass

from gateway.fastpath import FrameRun
from gateway.model.media import AccessUnit

RETRANSMIT_WINDOW_S = 2.0
"""How long packets can be sent again. A viewer sends its NACK within a few round trips; 2 s is no
longer than a usual GOP, which is held anyway."""

HOLDOFF_S = 0.02
"""A packet is not sent again within this time: the last one is still on its way."""

RETRANSMITTED = 1_024
"""Packets whose last retransmission is remembered; of more the oldest is forgotten."""


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

    def locate(self, index: int) -> tuple[SentUnit, int]:
        """Return this unit and *index*."""
        return self, index


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

    def locate(self, index: int) -> tuple[SentUnit, int]:
        """Return the unit with packet *index*, and which of its packets that is."""
        fields, before = self.run.locate(index)
        unit = AccessUnit(*fields)
        rtp_time = (unit.time_90k + self.offset_90k) & 0xFFFF_FFFF
        return SentUnit(self.first_seq + before, rtp_time, unit, unit.arrived_s), index - before


class RetransmitBuffer:
    """Finds a sent packet by its 16-bit sequence number."""

    def __init__(self) -> None:
        self._sent: deque[SentUnit | SentRun] = deque()
        self._retransmitted_s: OrderedDict[int, float] = OrderedDict()

    def record(self, sent: SentUnit | SentRun) -> None:
        """Add a unit, or a run of them; drop what is older than `RETRANSMIT_WINDOW_S`."""
        self._sent.append(sent)
        oldest_s = sent.sent_s - RETRANSMIT_WINDOW_S
        while self._sent[0].sent_s < oldest_s:
            self._sent.popleft()

    def clear(self) -> None:
        """Drop all units."""
        self._sent.clear()

    def find(self, seq: int, now_s: float) -> tuple[SentUnit, int] | None:
        """Return the unit and index of the packet with 16-bit *seq*.

        None if it is unknown, too old, or was sent again less than `HOLDOFF_S` ago. What lies
        outside of the numbers held costs a comparison, the rest a bisection.
        """
        if not self._sent:
            return None
        newest = self._sent[-1]
        last = newest.first_seq + newest.packets - 1
        extended = last - ((last - seq) & 0xFFFF)
        if extended < self._sent[0].first_seq:
            return None
        if now_s - self._retransmitted_s.get(extended, float("-inf")) < HOLDOFF_S:
            return None
        sent = self._sent[bisect_right(self._sent, extended, key=_first_seq) - 1]
        index = extended - sent.first_seq
        if index >= sent.packets:
            return None
        self._record_retransmission(extended, now_s)
        return sent.locate(index)

    def _record_retransmission(self, extended: int, now_s: float) -> None:
        self._retransmitted_s[extended] = now_s
        self._retransmitted_s.move_to_end(extended)
        if len(self._retransmitted_s) > RETRANSMITTED:
            self._retransmitted_s.popitem(last=False)


def _first_seq(sent: SentUnit | SentRun) -> int:
    return sent.first_seq
