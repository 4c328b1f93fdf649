"""Packets that stand between those of the video, and whether they take sequence numbers.

Metadata of another payload type and packets without payload come on the video's channel. By RFC
3550 §5.1 each takes the next sequence number; some cameras give the number that the next video
packet carries, or repeat that of the one before and then leave one out. All are right as long as
nothing of the video is missing. Which it is cannot be told of one packet: a number that is left out
is either the bystander's or a loss. So it counts as the bystander's, until that kind has been seen
to take none so often that a number left out must be a loss.
"""

from __future__ import annotations

from collections import Counter

from gateway.rtp.packet import MAX_GAP, signed16

EMPTY = -1
"""The kind of a packet of the video's own payload type that has no payload."""

SURELY = 16
"""A kind that has taken no number so many times for each that it may have taken, takes none."""


class Bystanders:
    """Those since the last packet of the video, and what has been learned of their kinds."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._without: Counter[int] = Counter()
        self._with: Counter[int] = Counter()

    def note(self, kind: int, seq: int, wanted: int) -> bool:
        """Note a packet of *kind* (payload type, or `EMPTY`), numbered *seq*.

        Args:
            kind: What it is.
            seq: Its sequence number.
            wanted: That of the video's next packet, as far as known.

        Returns:
            Whether it may have taken a number.
        """
        count = len(self._waiting)
        if count < MAX_GAP and signed16(seq - wanted) in (-1, count - 1, count):
            self._waiting.append(kind)
            return True
        return False

    def resolve(self, gap: int) -> int:
        """Return how many of the *gap* numbers before the video's next packet were not taken.

        Those are lost. Forgets the packets that were noted.
        """
        waiting, self._waiting = self._waiting, []
        if gap <= 0:
            self._without.update(waiting)
            return 0
        takers = [kind for kind in waiting if not self._takes_none(kind)]
        if gap == len(takers):
            self._with.update(takers)
        return max(0, gap - len(takers))

    def clear(self) -> None:
        """Forget the packets that were noted; the sender counts anew."""
        self._waiting = []

    def _takes_none(self, kind: int) -> bool:
        return self._without[kind] >= SURELY * (self._with[kind] + 1)
