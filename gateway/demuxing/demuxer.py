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

_OPTIONS = {
    "fflags": "noparse+nofillin",
    "max_streams": str(MOST_STREAMS),
    "analyzeduration": "1000000",
}
_BY_FORMAT: dict[ContainerFormat, dict[str, str]] = {
    "flv": {},
    "mpegts": {"max_packet_size": str(MAX_UNIT_BYTES)},
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


class ReplayedInput:
    """A file for FFmpeg over a pipe, which can begin again while little has been read.

    Args:
        read: Returns up to so many bytes as soon as there are any; none at the end.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._kept: bytearray | None = bytearray()
        self._at = 0

    def read(self, count: int) -> bytes:
        """Return up to *count* bytes, at least one; none at the end."""
        kept = self._kept
        if kept is None:
            return self._read(count)
        if self._at == len(kept):
            kept += self._read(count)
        piece = bytes(kept[self._at : self._at + count])
        self._at += len(piece)
        return piece

    def rewind(self) -> None:
        """Begin again; not after `forget`."""
        self._at = 0

    def forget(self) -> None:
        """Keep nothing any more."""
        if self._kept is not None and self._at == len(self._kept):
            self._kept = None


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
        self._input = ReplayedInput(read)
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
        headers = bytes(stream.codec_context.extradata or b"")
        for time, coded in packets:
            if time is None or len(coded) > MAX_UNIT_BYTES:
                self.skipped += 1
                continue
            if codec in CODEC_SYNTAX:
                pieces = self._nal_units(codec, coded)
            else:
                pieces = [headers + coded] if codec == "mpeg4" else [coded]
                headers = b""
            if pieces:
                yield DemuxedPicture(codec, time, pieces, self.skipped)

    def _open(self) -> tuple[InputContainer, VideoStream]:
        for probed_bytes in PROBED_BYTES:
            self._input.rewind()
            found = self._open_probing(probed_bytes)
            if found.streams.video:
                break
        else:
            raise NoVideo
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
    ) -> Iterator[tuple[int | None, bytes]]:
        """Yield time in 90 kHz and bytes of each packet.

        Raises:
            NoContainer, Changed: See there.
        """
        ticks = (stream.time_base or Fraction(1, VIDEO_CLOCK_HZ)) * VIDEO_CLOCK_HZ
        source = container.demux(stream)
        while (packet := _next(source)) is not None:
            self._input.forget()
            if packet.has_sidedata("new_extradata"):
                raise Changed
            time = packet.pts if packet.pts is not None else packet.dts
            time_90k = None if time is None else int(time * ticks)
            if to_annex_b is None:
                yield time_90k, bytes(packet)
                continue
            for each in self._filtered(to_annex_b, packet):
                yield time_90k, bytes(each)

    def _filtered(
        self, to_annex_b: BitStreamFilterContext, packet: Packet[VideoStream]
    ) -> list[Packet[VideoStream]]:
        try:
            return to_annex_b.filter(packet)
        except (FFmpegError, ValueError):
            self.skipped += 1
            return []

    def _nal_units(self, codec: Codec, coded: bytes) -> list[bytes]:
        payload_format = CODEC_SYNTAX[codec].payload_format
        try:
            nals = split_byte_stream(payload_format, coded)
        except Malformed:
            self.skipped += 1
            return []
        return [
            nal
            for nal in nals[:MAX_PIECES]
            if (kind := payload_format.nal_type(nal)) < payload_format.single_end
            and kind not in payload_format.padding
        ]


def _next(source: Iterator[Packet[VideoStream]]) -> Packet[VideoStream] | None:
    """Return the next packet that is not empty; None at the end. Raises NoContainer."""
    try:
        return next((packet for packet in source if packet.size), None)
    except (FFmpegError, ValueError) as error:
        raise NoContainer(type(error).__name__) from error


def _joined(
    packets: Iterator[tuple[int | None, bytes]],
) -> Iterator[tuple[int | None, bytes]]:
    """Yield whole pictures out of *packets* (PES), of which some senders need several for one.

    Those behind the first have no time, or the same. Until a sender has shown for `WHOLE_PICTURES`
    that it does not do so, and from the first time on that it does, a picture is whole when the
    next begins.
    """
    begun: tuple[int | None, list[bytes]] | None = None
    length = whole = 0
    split, last = False, None
    for time, coded in packets:
        if time is None or time == last:
            split = True
            if begun is not None and length + len(coded) <= MAX_UNIT_BYTES:
                begun[1].append(coded)
                length += len(coded)
            continue
        last = time
        if begun is not None:
            yield begun[0], b"".join(begun[1])
            begun = None
        whole += 1
        if whole > WHOLE_PICTURES and not split:
            yield time, coded
        else:
            begun, length = (time, [coded]), len(coded)
    if begun is not None:
        yield begun[0], b"".join(begun[1])
