"""The parameter sets of one stream: the newest of each id, ready to be put before a keyframe."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from gateway.model.media import Codec
from gateway.rtp.bit_reader import MAX_SET_BYTES
from gateway.rtp.codecs import CODEC_SYNTAX, PICTURE_HEADS, CodecSyntax
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import aggregate_if_fits, nal_units
from gateway.rtp.video_info import VideoInfo

MAX_SETS = 16
"""More of them is not a camera; further ones are ignored."""


class ParameterSets:
    """Holds the newest parameter set of each id. No bytes make it raise.

    Args:
        syntax: Of the stream's codec.
        known: NAL units from the SDP.
        limit: Largest payload that `payloads` may return.

    Attributes:
        video_info: What the newest SPS says; None: none has come, or it cannot be read.
        bare_since_s: When a keyframe has first come while a type of them was not known; others
            note it, on the monotonic clock. None: never.
    """

    def __init__(self, syntax: CodecSyntax, known: Iterable[bytes], *, limit: int) -> None:
        self._syntax = syntax
        self._limit = limit
        self._newest: dict[tuple[int, int], bytes] = {}
        self._payloads: tuple[bytes, ...] = ()
        self.video_info: VideoInfo | None = None
        self.bare_since_s: float | None = None
        for nal in known:
            self.update(nal)

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
        return self.video_info is not None and self.video_info.interlaced

    def update(self, nal: bytes) -> bool:
        """Store *nal* if it is a parameter set; a damaged or superfluous one is ignored.

        Returns:
            Whether it had to be read: false for one that is stored already, which costs nothing.
        """
        payload_format = self._syntax.payload_format
        if nal in self._newest.values():
            return False
        if (
            not payload_format.header_bytes < len(nal) <= MAX_SET_BYTES
            or payload_format.nal_type(nal) not in payload_format.parameter_set_types
        ):
            return False
        try:
            key = (
                payload_format.parameter_set_types.index(payload_format.nal_type(nal)),
                self._syntax.parse_set_id(nal),
            )
        except Malformed:
            return True
        if key not in self._newest and len(self._newest) >= MAX_SETS:
            return True
        self._newest[key] = nal
        if payload_format.nal_type(nal) == self._syntax.sps_type:
            self._parse_sps(nal)
        ordered = [self._newest[known] for known in sorted(self._newest)]
        if len({kind for kind, _ in self._newest}) == len(payload_format.parameter_set_types):
            self._payloads = tuple(aggregate_if_fits(payload_format, ordered, self._limit))
        return True

    def _parse_sps(self, sps: bytes) -> None:
        try:
            self.video_info = self._syntax.parse_sps(sps)
        except Malformed:
            self.video_info = None


def parse_picture(codec: Codec, payloads: tuple[bytes, ...]) -> VideoInfo | None:
    """Return what the *payloads* that a keyframe begins with say of it; None if nothing.

    The picture's own fragments may be cut off.
    """
    if codec in PICTURE_HEADS:
        try:
            return PICTURE_HEADS[codec](b"".join(payloads[:1]))
        except Malformed:
            return None
    sets = ParameterSets(CODEC_SYNTAX[codec], (), limit=MAX_SET_BYTES)
    with suppress(Malformed):
        for nal in nal_units(CODEC_SYNTAX[codec].payload_format, payloads):
            sets.update(nal)
    return sets.video_info
