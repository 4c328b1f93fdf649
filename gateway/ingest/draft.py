"""An access unit in the making: what there is of it, and whether it is still worth anything."""

from __future__ import annotations

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

    def finished(self, sets: ParameterSets, kinds: int) -> tuple[tuple[bytes, ...], bool]:
        """Return its payloads, and whether a decoder that knows nothing can start there.

        Where it must have parameter sets of *kinds* types and has not, those of *sets* are put
        in front.
        """
        payloads = tuple(self.payloads)
        if not self.entry or len(self.set_kinds) == kinds:
            return payloads, self.entry
        return sets.payloads + payloads, bool(sets.payloads)
