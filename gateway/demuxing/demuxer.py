"""Container bytes in, coded pictures out. In the child process only: FFmpeg is loaded here.

FFmpeg is let analyse next to nothing, parse nothing and guess no times, so that a picture comes out
when its last byte is in. Only MPEG-TS does not say where a picture ends: it is whole when the next
begins. What FFmpeg can be made to allocate is bounded beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.subtitles  # loads late otherwise, when no file can be opened any more
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from gateway.demuxing.announced_video import announced_video
from gateway.demuxing.messages import MAX_PIECES, MAX_UNIT_BYTES, ContainerFormat
from gateway.model.media import VIDEO_CLOCK_HZ, Codec
from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import split_byte_stream

OUR_NAMES: dict[str, Codec] = {
    "h264": "h264",
    "hevc": "h265",
    "mjpeg": "mjpeg",
    "mpeg4": "mpeg4",
}
ANNEX_B: dict[Codec, str] = {"h264": "h264_mp4toannexb", "h265": "hevc_mp4toannexb"}

MOST_STREAMS = 16
"""A recorder's have two or three: video, sound, what it knows of the scene."""
BUFFER_BYTES = 32_768
PROBED_BYTES = (32, 65_536, 1_048_576)
"""How far FFmpeg may look for streams; further only if no video was found before."""
WHOLE_PICTURES = 8
"""So many packets in a row that each begin a picture: a packet of this camera is one."""

_TOO_MUCH_BYTES = 65_536
"""By so much FFmpeg lets a picture be larger than it may be: then we see that it was cut there."""

_OPTIONS = {
    "fflags": "noparse+nofillin",
    "max_streams": str(MOST_STREAMS),
    "analyzeduration": "1000000",
}
_BY_FORMAT: dict[ContainerFormat, dict[str, str]] = {
    "flv": {},
    "mpegts": {"max_packet_size": str(MAX_UNIT_BYTES + _TOO_MUCH_BYTES)},
    "mp4": {},
}


class NoContainer(Exception):
    """These bytes are not of the format, or end before a stream is described."""


class NoVideo(Exception):
    """No stream of the container is video."""


class NoCodec(Exception):
    """The video's codec is none of ours; the text is FFmpeg's name of it."""


class Changed(Exception):
    """What comes now belongs to another stream than what came before."""


@dataclass(frozen=True, slots=True)
class DemuxedPicture:
    """One picture.

    Attributes:
        codec: Its codec.
        time_90k: When it is shown, in ticks of 90 kHz on the container's clock.
        pieces: NAL units without start codes and padding, or the picture in one.
        skipped: Packets left out so far.
    """

    codec: Codec
    time_90k: int
    pieces: list[bytes]
    skipped: int


@dataclass(frozen=True, slots=True)
class _Packet:
    """One of FFmpeg's, or several that are one picture.

    Attributes:
        time_90k: None: it does not tell.
        coded: Its bytes.
        whole: Whether nothing is missing of it, as far as the container tells, and it is not too
            large.
    """

    time_90k: int | None
    coded: bytes
    whole: bool


class ReplayedInput:
    """A file for FFmpeg over a pipe, which can begin again while little has been read.

    Args:
        read: Returns up to so many bytes as soon as there are any; none at the end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._kept: bytearray | None = bytearray()
        self._at = 0
        self._forgetting = False

    def read(self, count: int) -> bytes:
        """Return up to *count* bytes, at least one; none at the end."""
        if self._forgetting and self._kept is not None and self._at == len(self._kept):
            self._kept = None
        kept = self._kept
        if kept is None:
            return self._read(count)
        if self._at == len(kept):
            kept += self._read(count)
        piece = bytes(kept[self._at : self._at + count])
        self._at += len(piece)
        return piece

    @property
    def kept_bytes(self) -> int:
        """How much is kept, to begin again."""
        return len(self._kept or b"")

    def rewind(self) -> None:
        """Begin again; not after `forget`."""
        self._at = 0

    def forget(self) -> None:
        """Keep nothing of what is read from now on."""
        self._forgetting = True


class Demuxer:
    """Takes one container apart.

    Args:
        container_format: Which.
        read: Returns up to so many bytes of it as soon as there are any; none at the end.

    Attributes:
        skipped: Packets of the video that were left out: too large, without time, damaged.
    """

    def __init__(self, container_format: ContainerFormat, read: Callable[[int], bytes]) -> None:
        self._format = container_format
        self._read = read
        self._input = ReplayedInput(self._read_same)
        self._announced = announced_video(container_format)
        self._changed = False
        self._waiting_for_keyframe = False
        self.skipped = 0

    def pictures(self) -> Iterator[DemuxedPicture]:
        """Yield the pictures until the input ends.

        Raises:
            NoContainer, NoVideo, NoCodec, Changed: See there.
        """
        container, stream = self._open()
        name = stream.codec_context.name if stream.codec_context else "unknown"
        codec = OUR_NAMES.get(name)
        if codec is None:
            raise NoCodec(name)
        if self._format == "mpegts":
            packets = _joined(self._packets(container, stream, None))
        else:
            to_annex_b = None
            if codec in ANNEX_B:
                to_annex_b = BitStreamFilterContext(ANNEX_B[codec], stream)
            packets = self._packets(container, stream, to_annex_b)
        headers = bytes(stream.codec_context.extradata or b"") if codec == "mpeg4" else b""
        for packet in packets:
            pieces = self._pieces(codec, packet)
            if pieces and packet.time_90k is not None:
                pieces[0], headers = headers + pieces[0], b""
                yield DemuxedPicture(codec, packet.time_90k, pieces, self.skipped)
            else:
                self.skipped += 1

    def _read_same(self, count: int) -> bytes:
        """Return what comes next; to FFmpeg the input ends where another video begins."""
        if self._changed:
            return b""
        raw = self._read(count)
        same = self._announced.same(raw)
        self._changed = same < len(raw)
        return raw[:same]

    def _pieces(self, codec: Codec, packet: _Packet) -> list[bytes]:
        """Return what *packet* holds; none if it must be left out.

        What has a gap is; and behind a keyframe that was, all up to the next.
        """
        if codec not in CODEC_SYNTAX:
            return [packet.coded] if packet.whole else []
        nals, keyframe = _nal_units(codec, packet.coded)
        if keyframe:
            self._waiting_for_keyframe = not packet.whole
        return [] if not packet.whole or self._waiting_for_keyframe else nals

    def _open(self) -> tuple[InputContainer, VideoStream]:
        for probed_bytes in PROBED_BYTES:
            self._input.rewind()
            found = self._open_probing(probed_bytes)
            if found.streams.video:
                break
        else:
            raise NoVideo
        self._input.forget()  # the first picture may be long in coming
        chosen = found.streams.video[0]
        for stream in found.streams:
            if stream is not chosen:
                stream.discard = Discard.all
        return found, chosen

    def _open_probing(self, probed_bytes: int) -> InputContainer:
        options = {**_OPTIONS, **_BY_FORMAT[self._format], "probesize": str(probed_bytes)}
        try:
            return av.open(
                self._input,
                "r",
                format=self._format,
                options=options,
                buffer_size=BUFFER_BYTES,
            )
        except (FFmpegError, ValueError) as error:
            raise NoContainer(type(error).__name__) from error

    def _packets(
        self,
        container: InputContainer,
        stream: VideoStream,
        to_annex_b: BitStreamFilterContext | None,
    ) -> Iterator[_Packet]:
        """Yield each packet.

        Raises:
            NoContainer, Changed: See there.
        """
        ticks = (stream.time_base or Fraction(1, VIDEO_CLOCK_HZ)) * VIDEO_CLOCK_HZ
        headers = bytes(stream.codec_context.extradata or b"")
        source = container.demux(stream)
        while (packet := _next(source)) is not None:
            if _headers_of(packet) not in (b"", headers):
                raise Changed
            time = packet.pts if packet.pts is not None else packet.dts
            time_90k = None if time is None else int(time * ticks)
            whole = not packet.is_corrupt and packet.size <= MAX_UNIT_BYTES
            filtered = [packet] if to_annex_b is None else self._filtered(to_annex_b, packet)
            for each in filtered:
                yield _Packet(time_90k, bytes(each), whole)
        if self._changed:
            raise Changed

    def _filtered(
        self, to_annex_b: BitStreamFilterContext, packet: Packet[VideoStream]
    ) -> list[Packet[VideoStream]]:
        try:
            return to_annex_b.filter(packet)
        except (FFmpegError, ValueError):
            self.skipped += 1
            return []


def _nal_units(codec: Codec, coded: bytes) -> tuple[list[bytes], bool]:
    """Return the NAL units in *coded* that are worth sending, and whether a keyframe is there."""
    payload_format = CODEC_SYNTAX[codec].payload_format
    try:
        nals = split_byte_stream(payload_format, coded)
    except Malformed:
        return [], False
    kinds = [payload_format.nal_type(nal) for nal in nals]
    kept = [
        nal
        for kind, nal in zip(kinds, nals, strict=True)
        if kind < payload_format.single_end and kind not in payload_format.padding
    ]
    return kept[:MAX_PIECES], not payload_format.irap_types.isdisjoint(kinds)


def _headers_of(packet: Packet[VideoStream]) -> bytes:
    """Return the headers that came with *packet*, anew or once more; empty: none did."""
    if not packet.has_sidedata("new_extradata"):
        return b""
    return bytes(packet.get_sidedata("new_extradata"))


def _next(source: Iterator[Packet[VideoStream]]) -> Packet[VideoStream] | None:
    """Return the next packet that is not empty; None at the end. Raises NoContainer."""
    try:
        return next((packet for packet in source if packet.size), None)
    except IndexError:  # PyAV at the end, if streams have come that were not there at first
        return None
    except (FFmpegError, ValueError) as error:
        raise NoContainer(type(error).__name__) from error


def _joined(packets: Iterator[_Packet]) -> Iterator[_Packet]:
    """Yield whole pictures out of *packets* (PES), of which some senders need several for one.

    Those behind the first have no time, or the same. Until a sender has shown for `WHOLE_PICTURES`
    that it does not do so, and from the first time on that it does, a picture is whole when the
    next begins.
    """
    begun: list[_Packet] = []
    whole, split, last = 0, False, None
    for packet in packets:
        if packet.time_90k is None or packet.time_90k == last:
            split = True
            if begun and sum(len(each.coded) for each in begun) <= MAX_UNIT_BYTES:
                begun.append(packet)
            continue
        last = packet.time_90k
        yield from _as_one(begun)
        whole += 1
        if whole > WHOLE_PICTURES and not split:
            begun = []
            yield packet
        else:
            begun = [packet]
    yield from _as_one(begun)


def _as_one(packets: list[_Packet]) -> Iterator[_Packet]:
    """Yield *packets* as one, if there are any."""
    if packets:
        coded = b"".join([each.coded for each in packets])
        whole = all(each.whole for each in packets) and len(coded) <= MAX_UNIT_BYTES
        yield _Packet(packets[0].time_90k, coded, whole)
