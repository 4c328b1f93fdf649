"""The parameter sets of one stream: the newest of each id, ready to be put before a keyframe."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.rtp.bit_reader import MAX_SET_BYTES
from gateway.rtp.codecs import CodecSyntax
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import aggregate_if_fits
from gateway.rtp.video_info import VideoInfo

MAX_SETS = 16
"""More of them is not a camera; further ones are ignored."""


class ParameterSets:
    """Remembers what a camera has sent; no bytes make it raise.

    Args:
        grammar: Of the stream's codec.
        known: NAL units from the SDP.
        limit: Largest payload that `payloads` may return.
    """

    def __init__(self, grammar: CodecSyntax, known: Iterable[bytes], *, limit: int) -> None:
        self._grammar = grammar
        self._limit = limit
        self._newest: dict[tuple[int, int], bytes] = {}
        self._payloads: tuple[bytes, ...] = ()
        self.picture: VideoInfo | None = None
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
        if (
            not shape.header_bytes < len(nal) <= MAX_SET_BYTES
            or shape.nal_type(nal) not in shape.parameter_set_types
        ):
            return
        try:
            key = (shape.parameter_set_types.index(shape.nal_type(nal)), self._grammar.set_id(nal))
        except Malformed:
            return
        if self._newest.get(key) == nal or (
            key not in self._newest and len(self._newest) >= MAX_SETS
        ):
            return
        self._newest[key] = nal
        if shape.nal_type(nal) == self._grammar.sps:
            self._look(nal)
        ordered = [self._newest[known] for known in sorted(self._newest)]
        if len({kind for kind, _ in self._newest}) == len(shape.parameter_set_types):
            self._payloads = tuple(aggregate_if_fits(shape, ordered, self._limit))

    def _look(self, sps: bytes) -> None:
        try:
            self.picture = self._grammar.picture(sps)
        except Malformed:
            self.picture = None
