"""An assembler that others can stand in for, from the end of one picture to that of another."""

from __future__ import annotations

from gateway.ingest.assemble import Assembler
from gateway.rtp.payload import Shape


class JointAssembler(Assembler):
    """The assembler of a session that the fast path may relay for a while."""

    @property
    def shape(self) -> Shape:
        """Of the codec's payloads."""
        return self._shape

    @property
    def payload_type(self) -> int:
        """Of the video's packets."""
        return self._payload_type

    @property
    def payload_bytes(self) -> int:
        """Largest payload that comes out."""
        return self._limit

    @property
    def sets(self) -> tuple[bytes, ...]:
        """Parameter sets that teach nothing new when they come again."""
        return self._sets.newest

    def steady(self) -> int | None:
        """Return the 16-bit number of the next packet; None unless a whole picture came last.

        Nor while pictures are dropped until the next keyframe, nor after markers that lied.
        """
        draft = self._draft
        pending = draft.packets or draft.payloads or draft.pictured or draft.broken or self._run
        if pending or self._starved or self._markers_lie or self._expected < 0:
            return None
        return self._expected >> 32 & 0xFFFF

    def went_on(self, seq: int, rtp_time: int) -> None:
        """Expect packet *seq* next, behind a whole picture of *rtp_time* that came elsewhere."""
        self._expect(seq, rtp_time)
        self._marked_time = rtp_time
