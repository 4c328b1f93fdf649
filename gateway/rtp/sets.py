"""The parameter sets of one stream: the newest of each id, ready to be put before a keyframe."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.rtp.bits import MAX_SET_BYTES
from gateway.rtp.codecs import Grammar
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import together
from gateway.rtp.picture import Picture

MAX_SETS = 16
"""More of them is not a camera; further ones are ignored."""


class ParameterSets:
    """Remembers what a camera has sent; no bytes make it raise.

    Args:
        grammar: Of the stream's codec.
        known: NAL units from the SDP.
        limit: Largest payload that `payloads` may return.
    """

    def __init__(self, grammar: Grammar, known: Iterable[bytes], *, limit: int) -> None:
        self._grammar = grammar
        self._limit = limit
        self._newest: dict[tuple[int, int], bytes] = {}
        self._payloads: tuple[bytes, ...] = ()
        self.picture: Picture | None = None
        for nal in known:
            self.learn(nal)

    @property
    def payloads(self) -> tuple[bytes, ...]:
        """Payloads with one set of each id, or none unless every type is known."""
        return self._payloads

    @property
    def newest(self) -> tuple[bytes, ...]:
        """The NAL units themselves, the newest of each id."""
        return tuple(self._newest.values())

    @property
    def interlaced(self) -> bool:
        """Whether two pictures of one time may be the fields of one frame."""
        return self.picture is not None and self.picture.interlaced

    def learn(self, nal: bytes) -> None:
        """Take *nal* if it is a parameter set; a damaged or superfluous one is ignored."""
        shape = self._grammar.shape
        if not shape.header_bytes < len(nal) <= MAX_SET_BYTES or shape.kind(nal) not in shape.sets:
            return
        try:
            key = (shape.sets.index(shape.kind(nal)), self._grammar.set_id(nal))
        except Malformed:
            return
        if self._newest.get(key) == nal or (
            key not in self._newest and len(self._newest) >= MAX_SETS
        ):
            return
        self._newest[key] = nal
        if shape.kind(nal) == self._grammar.sps:
            self._look(nal)
        ordered = [self._newest[known] for known in sorted(self._newest)]
        if len({kind for kind, _ in self._newest}) == len(shape.sets):
            self._payloads = tuple(together(shape, ordered, self._limit))

    def _look(self, sps: bytes) -> None:
        try:
            self.picture = self._grammar.picture(sps)
        except Malformed:
            self.picture = None
