"""Pictures out of a container into access units: cut for RTP, with parameter sets and times.

What `gateway.sources.depacketizer` does for RTP. Nothing is lost on the way here; so there are no
gaps, but packets with several pictures, and containers that begin in the middle of one.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.demuxing.process import DemuxedUnit
from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit, Codec, SourceCounters, VideoFormat
from gateway.rtp.codecs import CODEC_SYNTAX, packetise
from gateway.rtp.jpeg import split_picture
from gateway.rtp.mpeg4 import Mpeg4Assembler
from gateway.rtp.packet import Malformed, signed32
from gateway.rtp.parameter_sets import ParameterSets
from gateway.rtp.picture import CodedPicture
from gateway.rtsp.budget import PACKETS, PARAMETER_SETS, PICTURES, CameraBudget
from gateway.sources.access_unit_builder import AccessUnitBuilder
from gateway.sources.timeline import Timeline


class ContainerUnits:
    """Makes access units of the pictures of one container.

    Args:
        codec: Of the pictures.
        timeline: Gives each picture its time; outlives the container.
        counters: Where all is counted.
        payload_bytes: Largest payload to deliver.
        budget: What the camera may cost.
    """

    def __init__(
        self,
        codec: Codec,
        *,
        timeline: Timeline,
        counters: SourceCounters,
        payload_bytes: int,
        budget: CameraBudget,
    ) -> None:
        self._codec = codec
        self._timeline, self._counters, self._budget = timeline, counters, budget
        self._payload_bytes = payload_bytes
        self._mpeg4 = Mpeg4Assembler()
        syntax = CODEC_SYNTAX.get(codec)
        self._sets = None if syntax is None else ParameterSets(syntax, (), limit=payload_bytes)
        self._last = 0, 1  # time of the last unit, and how many pictures it had

    @property
    def video(self) -> VideoFormat:
        """What is sent, with the parameter sets that have come so far."""
        return VideoFormat(self._codec, () if self._sets is None else self._sets.newest)

    def push(self, unit: DemuxedUnit, now_s: float) -> list[AccessUnit]:
        """Return the access units in *unit*.

        Args:
            unit: Of `codec`.
            now_s: When it came, on the monotonic clock.

        Raises:
            SourceUnavailable: They are more than the budget has (`ABUSIVE`).
        """
        counters = self._counters
        counters.packets += 1
        self._budget.charge(PACKETS, len(unit.pieces))
        try:
            pictures = self._pictures(unit.pieces, now_s)
        except Malformed:
            pictures = []
        if not pictures:
            counters.discarded += 1
            return []
        self._budget.charge(PICTURES, len(pictures))
        last, count = self._last
        step = max(1, min(signed32(unit.time_90k - last & 0xFFFF_FFFF) // count, VIDEO_CLOCK_HZ))
        self._last = unit.time_90k, len(pictures)
        return [
            self._timed(picture, unit.time_90k + index * step, now_s)
            for index, picture in enumerate(pictures)
        ]

    def _timed(self, picture: AccessUnit, time: int, now_s: float) -> AccessUnit:
        time_90k = self._timeline.to_time_90k(time & 0xFFFF_FFFF, now_s)
        self._counters.units += 1
        self._counters.keyframes += picture.keyframe
        return replace(picture, time_90k=time_90k, early_90k=self._timeline.early_90k)

    def _pictures(self, pieces: list[bytes], now_s: float) -> list[AccessUnit]:
        """Return the pictures in *pieces*, without times. Raises Malformed."""
        if self._sets is not None:
            return self._of_nal_units(self._sets, pieces, now_s)
        coded = b"".join(pieces)
        if self._codec == "mjpeg":
            return [_whole(split_picture(coded), now_s)]
        self._mpeg4.push(coded)
        return [_whole(picture, now_s) for picture in self._mpeg4.build()]

    def _of_nal_units(
        self, sets: ParameterSets, nals: list[bytes], now_s: float
    ) -> list[AccessUnit]:
        syntax = CODEC_SYNTAX[self._codec].payload_format
        kinds = len(syntax.parameter_set_types)
        for nal in nals:
            if len(nal) <= syntax.header_bytes or syntax.nal_type(nal) >= syntax.single_end:
                raise Malformed("no NAL unit")
        units: list[AccessUnit] = []
        for picture in self._split(sets, nals):
            builder = AccessUnitBuilder()
            for nal in picture:
                self._add(builder, sets, nal)
            if builder.has_slice and not builder.broken:
                builder.payloads = packetise(picture, self._codec, self._payload_bytes)
                units.append(builder.build(sets, kinds, 0, now_s))
        return units

    def _split(self, sets: ParameterSets, nals: list[bytes]) -> list[list[bytes]]:
        """Return *nals*, one list for each picture that begins among them."""
        syntax = CODEC_SYNTAX[self._codec].payload_format
        pictures: list[list[bytes]] = [[]]
        begun = False
        for nal in nals:
            if syntax.nal_type(nal) in syntax.slice_types:
                if begun and syntax.is_first_slice(nal) and not sets.interlaced:
                    pictures.append([])
                begun = True
            pictures[-1].append(nal)
        return pictures

    def _add(self, builder: AccessUnitBuilder, sets: ParameterSets, nal: bytes) -> None:
        """Note in *builder* what *nal* means for the picture."""
        syntax = CODEC_SYNTAX[self._codec].payload_format
        kind = syntax.nal_type(nal)
        if kind in syntax.slice_types:
            if not builder.has_slice:
                builder.known_sets = sets.payloads
                builder.broken = not syntax.is_first_slice(nal)
            builder.has_slice = True
            builder.has_irap |= kind in syntax.irap_types
        elif kind in syntax.parameter_set_types:
            if sets.update(nal):
                self._budget.charge(PARAMETER_SETS)
            if not builder.has_slice:
                builder.set_types.add(kind)


def _whole(picture: CodedPicture, now_s: float) -> AccessUnit:
    payloads = picture.payloads
    return AccessUnit(payloads, 0, picture.keyframe, now_s, sum(map(len, payloads)))
