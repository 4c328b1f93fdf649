"""Statistics of a probed stream, and what is wrong by them. Nothing is decoded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit, Codec, SourceCounters
from gateway.model.reasons import Reason
from gateway.ports import Clock
from gateway.rtp.codecs import PICTURE_HEADS, coded_picture
from gateway.rtp.packet import Malformed
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtp.pixel_aspect import doubt_about_pixels
from gateway.rtp.video_info import MAX_HEIGHT, MAX_WIDTH, VideoInfo
from gateway.rtsp.budget import CameraBudget
from gateway.rtsp.sdp import Description
from gateway.sources.codec_check import CodecDiffers, as_sent, create_check
from gateway.sources.depacketizer import Depacketizer
from gateway.sources.depacketizers import create_depacketizer
from gateway.sources.picture_depacketizer import PictureDepacketizer
from gateway.sources.stream_measure import StreamMeasure
from gateway.sources.timeline import Timeline

ENOUGH_GOPS = 2
LONG_GOP_S = 5.0
"""A viewer who joins in such a GOP without our cache would wait too long."""

LOSS_PERCENT = 1.0

INTRA_90K = VIDEO_CLOCK_HZ
"""So long is watched what has nothing but keyframes: three are over in a tenth of a second."""

_SHOWN = {"h264": "H.264", "h265": "H.265", "mjpeg": "JPEG", "mpeg4": "MPEG-4"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact of a stream.

    Attributes:
        reason: OK, or what is wrong.
        fact: What was seen, in English and figures.
    """

    reason: Reason
    fact: str


class UnitStats:
    """Collects what a probe needs to know of one stream's access units.

    Args:
        codec: Of the units.
        parameter_sets: Known out of band.
        counters: Of what makes the units.
        clock: Monotonic.

    Attributes:
        keyframe: Set at the first keyframe.
        enough: Set once `ENOUGH_GOPS` whole GOPs have been seen, and a second of keyframes alone.
    """

    def __init__(
        self,
        codec: Codec,
        parameter_sets: tuple[bytes, ...],
        counters: SourceCounters,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._codec = codec
        self._picture = parse_picture(codec, parameter_sets)
        self._began_s = self._latest_s = clock.now()
        self._units = 0
        self._first_90k: int | None = None
        self._last_90k = 0
        self._keyframes: list[tuple[int, int]] = []  # time and number of each
        self._newest: AccessUnit | None = None
        self._kept: list[AccessUnit] = []
        self.keyframe, self.enough = asyncio.Event(), asyncio.Event()

    def push_units(self, units: list[AccessUnit]) -> None:
        """Add the *units* that have just come."""
        self._latest_s = self._clock.now()
        for unit in units:
            self._first_90k = unit.time_90k if self._first_90k is None else self._first_90k
            self._last_90k = unit.time_90k
            self._units += 1
            if unit.keyframe:
                self._add_keyframe(unit)

    def _add_keyframe(self, unit: AccessUnit) -> None:
        self._picture = parse_picture(self._codec, unit.payloads) or self._picture
        self._keyframes.append((unit.time_90k, self._units))
        self._newest = unit
        self._kept = [*self._kept[:ENOUGH_GOPS], unit]
        self.keyframe.set()
        span_90k = unit.time_90k - self._keyframes[0][0]
        intra_only = len(self._keyframes) == self._units
        if len(self._keyframes) > ENOUGH_GOPS and not (intra_only and span_90k < INTRA_90K):
            self.enough.set()

    @property
    def measure(self) -> StreamMeasure:
        """All that has been measured by now."""
        picture = self._picture
        shown_90k = self._last_90k - (self._first_90k or 0)
        gops = len(self._keyframes) - 1
        span_90k = self._keyframes[-1][0] - self._keyframes[0][0] if gops > 0 else 0
        return StreamMeasure(
            codec=self._codec,
            width=0 if picture is None else picture.width,
            height=0 if picture is None else picture.height,
            fps=(self._units - 1) * VIDEO_CLOCK_HZ / shown_90k if shown_90k > 0 else 0.0,
            bitrate_bps=self._counters.received_bytes * 8 / self._took_s,
            gop_s=span_90k / VIDEO_CLOCK_HZ / gops if gops > 0 else None,
            b_frames=bool(self._counters.backward),
            keyframe=self._coded(self._newest),
            keyframes=tuple(filter(None, map(self._coded, self._kept))),
            keyframes_s=(self._kept[-1].time_90k - self._kept[0].time_90k) / VIDEO_CLOCK_HZ
            if self._kept
            else 0.0,
        )

    @property
    def _took_s(self) -> float:
        """How long was watched: by the clock or, for what comes in bursts, by the pictures."""
        shown_s = (self._last_90k - (self._first_90k or 0)) / VIDEO_CLOCK_HZ
        return max(self._latest_s - self._began_s, shown_s, 0.001)

    def _coded(self, unit: AccessUnit | None) -> bytes:
        if unit is None:
            return b""
        try:
            return coded_picture(self._codec, unit.payloads)
        except Malformed:
            return b""

    @property
    def first_keyframe(self) -> Finding:
        """How many pictures came before a viewer could have begun."""
        if not self._keyframes:
            return Finding(Reason.KEYFRAME_STARVED, f"{self._units} pictures, no keyframe")
        return Finding(Reason.OK, f"after {self._keyframes[0][1] - 1} other pictures")

    @property
    def gop(self) -> Finding:
        """How far the keyframes are apart."""
        if len(self._keyframes) < 2:
            seen = "one keyframe" if self._keyframes else "no keyframe"
            return Finding(
                Reason.KEYFRAME_STARVED, f"{seen} in {self._latest_s - self._began_s:.1f} s"
            )
        (first_90k, first), (last_90k, last) = self._keyframes[0], self._keyframes[-1]
        gops = len(self._keyframes) - 1
        long_s = (last_90k - first_90k) / VIDEO_CLOCK_HZ / gops
        reason = Reason.KEYFRAME_STARVED if long_s > LONG_GOP_S else Reason.OK
        return Finding(reason, f"{long_s:.2f} s, {(last - first) / gops:.0f} pictures")

    @property
    def codec(self) -> Finding:
        """Which codec, profile and size."""
        name = _SHOWN[self._codec]
        picture = self._picture
        if picture is None:
            return Finding(Reason.CORRUPT, f"{name}; its parameter sets cannot be read")
        profile = " ".join(filter(None, (name, picture.profile, picture.level)))
        said = f"{profile}, {picture.width}x{picture.height}"
        if picture.interlaced:
            said += ", interlaced"
        if picture.oversized:
            return Finding(
                Reason.UNSUPPORTED_CODEC, f"{said}; at most {MAX_WIDTH}x{MAX_HEIGHT} is taken"
            )
        if self._codec in PICTURE_HEADS:
            said += "; always transcoded"
        return Finding(Reason.OK, said)

    @property
    def interlace(self) -> Finding:
        """Whether pictures may be fields, as far as the stream says."""
        interlaced = self._picture is not None and self._picture.interlaced
        if interlaced:
            return Finding(Reason.PICTURE_INTERLACED, "pictures may be fields")
        return Finding(Reason.OK, "progressive, as the stream says")

    @property
    def pixels(self) -> Finding:
        """Whether people look as wide as they are."""
        picture = self._picture
        if picture is None or self._codec in PICTURE_HEADS:
            return Finding(Reason.OK, "made square by the transcoder")
        doubt = doubt_about_pixels(picture.width, picture.height, picture.pixel_aspect)
        if doubt:
            return Finding(Reason.PICTURE_ASPECT, doubt)
        said = "no word of them" if picture.pixel_aspect is None else "{}:{}"
        return Finding(Reason.OK, said.format(*(picture.pixel_aspect or ())))

    @property
    def bitrate(self) -> Finding:
        """How much comes, how fast, and how much of it is missing."""
        counters = self._counters
        took_s = self._took_s
        fact = (
            f"{counters.received_bytes * 8 / took_s / 1e6:.2f} Mb/s, "
            f"{self._units / took_s:.1f} pictures/s, "
            f"{counters.lost} of {counters.packets + counters.lost} packets lost"
        )
        if counters.jumps:
            return Finding(Reason.CLOCK_JUMP, f"{fact}; its clock jumped {counters.jumps} times")
        lossy = counters.lost > (counters.packets + counters.lost) * LOSS_PERCENT / 100
        return Finding(Reason.CORRUPT if lossy else Reason.OK, fact)

    @property
    def b_frames(self) -> Finding:
        """Whether pictures come in another order than they are shown."""
        if self._counters.backward:
            return Finding(
                Reason.UNSUPPORTED_CODEC, f"{self._counters.backward} steps back in display order"
            )
        return Finding(Reason.OK, _allowed(self._picture))


class ProbeStats(UnitStats):
    """Collects what a probe needs to know of one RTP stream.

    Args:
        description: What the camera offers.
        clock: Monotonic.
        budget: What the camera may cost; None: as much as it sends.

    Attributes:
        packet: Set at the first RTP packet.
    """

    def __init__(
        self, description: Description, clock: Clock, budget: CameraBudget | None = None
    ) -> None:
        video, counters = description.video, SourceCounters()
        super().__init__(video.codec, video.parameter_sets, counters, clock)
        self._description, self._budget = description, budget
        self._check = create_check(description)
        self._depacketizer = self._new_depacketizer(description)
        self._differs = ""  # how the camera's description does
        self.packet = asyncio.Event()

    def _new_depacketizer(self, description: Description) -> Depacketizer | PictureDepacketizer:
        return create_depacketizer(
            description,
            timeline=Timeline(self._counters),
            counters=self._counters,
            payload_bytes=1_400,
            budget=self._budget,
        )

    def push_packets(self, packets: list[bytes]) -> None:
        """Add the RTP *packets* of one read."""
        now_s = self._clock.now()
        if not self.packet.is_set():
            self._began_s = now_s
            self.packet.set()
        self._check_codec(packets)
        self.push_units(self._depacketizer.push_packets(packets, now_s))

    def _check_codec(self, packets: list[bytes]) -> None:
        """Go on with the codec that comes, if the camera describes another."""
        try:
            if self._check is not None and self._check.look(packets):
                self._check = None
        except CodecDiffers as error:
            self._check, self._differs, self._codec = None, error.detail, error.codec
            self._depacketizer = self._new_depacketizer(as_sent(self._description, error.codec))

    @property
    def codec(self) -> Finding:
        """Which codec, profile and size, and whether the camera has described another."""
        finding = super().codec
        return replace(finding, fact="; ".join(filter(None, (finding.fact, self._differs))))


def _allowed(picture: VideoInfo | None) -> str:
    if picture is None or picture.reordered is None:
        return "none seen; the SPS does not say"
    return "none" if not picture.reordered else "none seen, but the SPS allows them"
