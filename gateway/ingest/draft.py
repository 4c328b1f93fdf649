"""An access unit in the making: what there is of it, and whether it is still worth anything."""

from __future__ import annotations

from gateway.model.media import AccessUnit
from gateway.rtp.packet import HEADER_BYTES
from gateway.rtp.payload import END, Shape, recut
from gateway.rtp.sets import ParameterSets

MAX_UNIT_BYTES = 8 << 20
MAX_UNIT_PACKETS = 20_000


class Draft:
    """One access unit before it is whole.

    Attributes:
        payloads: Ready to be sent.
        packets: How many packets those were.
        size_bytes: Of those packets.
        set_kinds: Types of the parameter sets among them.
        pictured: Whether a slice has been seen.
        entry: Whether a slice of a picture that a decoder can start at has been seen.
        broken: Whether something is missing or too large; nothing is kept then.
    """

    __slots__ = ("broken", "entry", "packets", "payloads", "pictured", "set_kinds", "size_bytes")

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.packets = self.size_bytes = 0
        self.set_kinds: set[int] = set()
        self.pictured = self.entry = self.broken = False

    def exceeds(self, packets: int = 0, size_bytes: int = 0) -> bool:
        """Return whether that much more would be out of bounds."""
        return (
            self.packets + packets > MAX_UNIT_PACKETS
            or self.size_bytes + size_bytes > MAX_UNIT_BYTES
        )

    def spoil(self) -> int:
        """Break it; return how many packets are dropped by that."""
        dropped = self.packets
        self.payloads, self.packets, self.size_bytes = [], 0, 0
        self.broken = True
        return dropped

    def finished(
        self, sets: ParameterSets, kinds: int, time_90k: int, arrived_s: float
    ) -> AccessUnit:
        """Return the access unit.

        Where a keyframe must have parameter sets of *kinds* types and has not, those of *sets*
        are put in front; without any it is no keyframe.
        """
        payloads, keyframe = tuple(self.payloads), self.entry
        if keyframe and len(self.set_kinds) != kinds:
            payloads, keyframe = sets.payloads + payloads, bool(sets.payloads)
        return AccessUnit(payloads, time_90k, keyframe, arrived_s, sum(map(len, payloads)))


def payloads_of(shape: Shape, run: list[bytes], limit: int) -> list[bytes]:
    """Return the payloads of *run*, packets with all fragments of one NAL unit.

    None is above *limit*, and the last has the end bit, which some cameras forget.
    """
    at = HEADER_BYTES + shape.header_bytes
    last = run[-1]
    if not last[at] & END:
        run[-1] = last[:at] + bytes((last[at] | END,)) + last[at + 1 :]
    if len(run) == 1 or len(max(run, key=len)) > HEADER_BYTES + limit:
        return recut(shape, run, limit, skip=HEADER_BYTES)
    return [packet[HEADER_BYTES:] for packet in run]
