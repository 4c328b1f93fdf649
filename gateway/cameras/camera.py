"""One camera: its supervised streams, and snapshots of its state."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import cycle

from gateway.cameras.stream_supervisor import StreamSupervisor
from gateway.model.health import CameraSnapshot
from gateway.model.inventory import StreamSnapshot
from gateway.model.media import ClockReading, Codec, SourceCounters
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig
from gateway.ports import TranscodingSource
from gateway.rtp.codecs import PICTURE_HEADS
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtp.pixel_aspect import doubt_about_pixels
from gateway.rtp.video_info import VideoInfo
from gateway.streams.stream import Stream


def video_info_of(stream: Stream) -> VideoInfo | None:
    """Return size and profile of *stream* by its parameter sets; None until there are some."""
    video = stream.video
    if video is None:
        return None
    return _picture(video.codec, stream.parameter_payloads) or _picture(
        video.codec, video.parameter_sets
    )


def last_video_info_of(stream: Stream) -> VideoInfo | None:
    """Return the same, also of a stream that has been opened again and not sent a keyframe yet."""
    return video_info_of(stream) or (
        None if stream.former_parameters is None else _picture(*stream.former_parameters)
    )


WITHOUT_REORDERING = 50
"""So many pictures in their order: the camera makes no B-frames, whatever its SPS allows."""


B_FRAMES_SHARE = 0.05
"""From this share of pictures on that are before their predecessor in time they are B-frames; every
second or third is usual. A camera whose clock has jumped has one."""


RICH_PROFILES: dict[Codec, Collection[int]] = {
    "h264": (44, 110, 122, 244),
    "h265": range(4, 12),
}
"""Profiles for 4:2:2, 4:4:4 or more than 8 bits (H.264 A.2, H.265 A.3): WebRTC negotiates
Constrained Baseline (RFC 7742) or Main. Main 10 of H.265 is not among them: what decodes H.265 in
a browser is hardware, which decodes that as well."""


def obstacle_of(stream: Stream) -> str:
    """Return why no browser shows *stream* as it is, its codec aside; empty: one may."""
    picture, counters = video_info_of(stream), stream.counters
    reordered = picture is not None and bool(picture.reordered)
    if counters.backward or (reordered and counters.units < WITHOUT_REORDERING):
        return "B-frames"
    if picture is None:
        return ""
    if picture.interlaced:
        return "interlace"
    if picture.profile_idc in RICH_PROFILES.get(stream.video.codec if stream.video else "h264", ()):
        return "pixels that are not 4:2:0 of 8 bits"
    return "pixels that are not square" if picture.pixel_aspect not in (None, (1, 1)) else ""


def is_oversized(stream: Stream) -> bool:
    """Return whether the pictures of *stream* are larger than we decode, as far as is known."""
    picture = video_info_of(stream)
    return picture is not None and picture.oversized


def advice_of(stream: Stream) -> Iterator[Reason]:
    """Yield what should be changed at the camera or recorder about *stream*, though it works."""
    picture = video_info_of(stream)
    if stream.combed or (picture is not None and picture.interlaced):
        yield Reason.PICTURE_INTERLACED
    if picture is None or stream.video is None or stream.video.codec in PICTURE_HEADS:
        return  # these are always transcoded, to square pixels
    if doubt_about_pixels(picture.width, picture.height, picture.pixel_aspect):
        yield Reason.PICTURE_ASPECT


_WELL = (Reason.OK, Reason.IDLE)

_picture = lru_cache(maxsize=1024)(parse_picture)


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of the site.

    Attributes:
        config: As in the site document.
        supervisors: Of its streams, in the order of the configuration.
        transcodes: What makes H.264 of the same streams that every browser shows, in the same
            order, and behind these what makes small pictures of them; empty: nothing is transcoded.
    """

    config: CameraConfig
    supervisors: tuple[StreamSupervisor, ...]
    transcodes: tuple[tuple[TranscodingSource, StreamSupervisor], ...] = ()

    @property
    def transcoders(self) -> tuple[StreamSupervisor, ...]:
        """The supervisors of `transcodes`."""
        return tuple(supervisor for _, supervisor in self.transcodes)

    def admit_transcode(self, stream: Stream) -> str:
        """Let a viewer open *stream*, a transcode; return why not, or nothing."""
        for source, supervisor in self.transcodes:
            if supervisor.stream is stream:
                return source.admit()
        return ""

    @property
    def primary_stream(self) -> StreamSupervisor:
        """The stream whose state is the camera's: the best open one, else the best."""
        return next(
            (supervisor for supervisor in self.supervisors if supervisor.pulling),
            self.supervisors[0],
        )

    @property
    def advice(self) -> tuple[Reason, ...]:
        """What should be changed at the camera or recorder about any of its streams."""
        given = {each for stream in self.supervisors for each in advice_of(stream.stream)}
        return tuple(each for each in Reason if each in given) if given else ()

    @property
    def clock_reading(self) -> ClockReading | None:
        """What its clock showed last, by any of its streams; None: it has not told."""
        readings = (each.stream.clock_reading for each in self.supervisors)
        known = [each for each in readings if each is not None]
        return max(known, key=lambda each: each.at_s) if known else None

    def absence_of(self, stream: Stream) -> Reason:
        """Return why *stream*, its own or a transcode, sends nothing now."""
        own = zip(self.supervisors, self.supervisors, strict=True)
        made = zip(self.transcoders, cycle(self.supervisors), strict=False)  # large, then reduced
        for supervisor, source in (*made, *own):
            if supervisor.stream is stream:
                found = [each.state()[0] for each in (source, supervisor)]
                return next((each for each in found if each not in _WELL), Reason.STALLED)
        return Reason.STALLED

    def trouble(self) -> tuple[Reason, str] | None:
        """Return reason and detail of why it cannot be watched now; None if it can."""
        supervisor = self.primary_stream
        reason, _ = supervisor.state()
        if reason in (Reason.OK, Reason.IDLE, Reason.CONNECTING):
            return None
        return reason, supervisor.detail

    def snapshot(self, viewers: int) -> CameraSnapshot:
        """Return its state now; *viewers*: how many sessions watch it."""
        config, supervisor = self.config, self.primary_stream
        reason, since_s = supervisor.state()
        detail, stream = supervisor.detail, supervisor.stream
        if reason is Reason.OK and self._shown_out_of_order(stream):
            reason = Reason.B_FRAMES
            detail = f"{stream.counters.backward} of {stream.counters.units} steps back in time"
        picture = video_info_of(stream)
        return CameraSnapshot(
            id=config.id,
            name=config.name,
            location=config.location,
            profiles=tuple(stream_config.profile for stream_config in config.streams),
            enabled=config.enabled,
            reason=reason if config.enabled else Reason.PAUSED_BY_CONFIG,
            detail=detail,
            since_s=since_s,
            attempts=supervisor.attempts,
            again_at_s=supervisor.again_at_s,
            counters=self._counters(),
            viewers=viewers,
            codec=stream.video.codec if stream.video else None,
            width=picture.width if picture else None,
            height=picture.height if picture else None,
            last_unit_s=stream.last_unit_s,
            last_keyframe_s=stream.keyframe_s,
            gop_s=stream.gop_s,
            transcodes=sum(source.running for source, _ in self.transcodes),
            transcode_divisor=max((source.divisor for source, _ in self.transcodes), default=0),
            transcode_dropped=sum(source.dropped for source, _ in self.transcodes),
            transcode_deaths=sum(source.deaths for source, _ in self.transcodes),
            advice=self.advice,
            clock=self.clock_reading,
        )

    def change_key(self, viewers: int) -> tuple[object, ...]:
        """Return what changes when `snapshot` does, times and counters aside; it costs less."""
        supervisor = self.primary_stream
        stream, (reason, _) = supervisor.stream, supervisor.state()
        if reason is Reason.OK and self._shown_out_of_order(stream):
            reason = Reason.B_FRAMES
        combed = tuple(each.stream.combed for each in self.supervisors)
        seen = (self.config, reason, supervisor.detail, supervisor.attempts, combed)
        transcodes = tuple((each.divisor, each.deaths) for each, _ in self.transcodes)
        return (*seen, stream.video, stream.parameter_payloads, viewers, transcodes)

    def streams(self) -> Iterator[StreamSnapshot]:
        """Yield the state of each of its streams now."""
        for config, supervisor in zip(self.config.streams, self.supervisors, strict=True):
            stream, picture = supervisor.stream, video_info_of(supervisor.stream)
            yield StreamSnapshot(
                camera=self.config.id,
                profile=config.profile,
                pulling=supervisor.pulling,
                codec=stream.video.codec if stream.video else None,
                width=picture.width if picture else None,
                height=picture.height if picture else None,
                units=stream.counters.units,
                received_bytes=stream.counters.received_bytes,
            )

    def _shown_out_of_order(self, stream: Stream) -> bool:
        """Return whether viewers are sent *stream* with B-frames, which WebRTC cannot show."""
        counters = stream.counters
        return not self.transcodes and counters.backward > B_FRAMES_SHARE * counters.units

    def _counters(self) -> SourceCounters:
        total = replace(self.supervisors[0].stream.counters)
        for supervisor in self.supervisors[1:]:
            for field in fields(total):
                added = getattr(supervisor.stream.counters, field.name)
                setattr(total, field.name, getattr(total, field.name) + added)
        return total
