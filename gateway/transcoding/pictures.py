"""Decodes, deinterlaces and scales: access units in, pictures for the encoder out.

In the child process only: FFmpeg is loaded here. No thread is started: the sandbox forbids it, and
a decoder that works on several pictures at once holds as many back. FFmpeg is given the largest
picture size before it allocates, whatever the bitstream says.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.codec.context import ThreadType
from av.error import FFmpegError
from av.video.reformatter import ColorRange, VideoReformatter

from gateway.model.media import VIDEO_CLOCK_HZ, Codec
from gateway.transcoding.output_format import interpolation, output_size
from gateway.vision.ffmpeg_input import DECODERS, MAX_PIXELS, PADDING

CLOCK = Fraction(1, VIDEO_CLOCK_HZ)


class Undecodable(Exception):
    """These bytes are no picture."""


class PictureDecoder:
    """Decodes one stream.

    Args:
        codec: As in `gateway.model.media.Codec`.
        most_lines: Of the pictures that come out.

    Attributes:
        decoded: Pictures that have come out of the decoder.
    """

    def __init__(self, codec: Codec, most_lines: int) -> None:
        context = av.CodecContext.create(DECODERS[codec], "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1
        context.thread_type = ThreadType.NONE
        context.options = {"max_pixels": str(MAX_PIXELS)}
        self._context = context
        self._deinterlacer: Deinterlacer | None = None
        self._scaler = Scaler(most_lines)
        self.decoded = 0

    def decode(self, coded: bytes, time_90k: int) -> Iterator[av.VideoFrame]:
        """Yield the pictures that *coded* completes, not scaled yet, each with its time as `pts`.

        Raises:
            Undecodable: It is damaged, or larger than `MAX_PIXELS`.
        """
        packet = av.Packet(coded + PADDING)
        packet.pts = packet.dts = time_90k
        packet.time_base = CLOCK
        try:
            frames = self._context.decode(packet)
        except (FFmpegError, ValueError, MemoryError) as error:
            raise Undecodable(type(error).__name__) from error
        for frame in frames:
            if not 0 < frame.width * frame.height <= MAX_PIXELS:
                raise Undecodable("larger than we decode")
            self.decoded += 1
            if frame.pts is None:
                frame.pts = time_90k
            frame.time_base = CLOCK
            yield from self._progressive(frame)

    def scale(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return *frame* as the encoder wants it (`Scaler.scale`)."""
        return self._scaler.scale(frame, self._context.sample_aspect_ratio)

    def _progressive(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Yield *frame* without interlace; from the first interlaced one on one picture later."""
        if self._deinterlacer is None and not frame.interlaced_frame:
            yield frame
            return
        if self._deinterlacer is None or not self._deinterlacer.fits(frame):
            self._deinterlacer = Deinterlacer(frame)
        yield from self._deinterlacer.push(frame)


class Scaler:
    """Makes pictures as the encoder wants them.

    Args:
        most_lines: Of the pictures that come out.
    """

    def __init__(self, most_lines: int) -> None:
        self._most_lines = most_lines
        self._reformatter = VideoReformatter()

    def scale(self, frame: av.VideoFrame, aspect: Fraction | None) -> av.VideoFrame:
        """Return *frame* in 4:2:0 of limited range, with square pixels and few lines.

        JPEG, and H.264 of some cameras, has luma from 0 to 255; players expect 16 to 235.
        """
        width, height = output_size(frame.width, frame.height, aspect, self._most_lines)
        pts = frame.pts
        manner = interpolation((frame.width, frame.height), (width, height))
        scaled = self._reformatter.reformat(
            frame,
            width,
            height,
            "yuv420p",
            interpolation=manner.upper(),
            src_color_range=frame.color_range,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        scaled.pts, scaled.time_base = pts, CLOCK
        return scaled


class Deinterlacer:
    """bwdif, one picture out for each in; progressive ones pass through it unchanged.

    Args:
        frame: Gives size and pixel format.
        fields: ``tff`` or ``bff``: all are interlaced, whatever they say; None: as they say.
    """

    def __init__(self, frame: av.VideoFrame, fields: str | None = None) -> None:
        self._shape = (frame.width, frame.height, frame.format.name)
        graph = av.filter.Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=CLOCK
        )
        which = f"parity={fields}:deint=all" if fields else "parity=auto:deint=interlaced"
        bwdif = graph.add("bwdif", f"mode=send_frame:{which}")
        sink = graph.add("buffersink")
        graph.link_nodes(source, bwdif, sink).configure()
        self._graph = graph

    def fits(self, frame: av.VideoFrame) -> bool:
        """Return whether *frame* has the size and format it was made for."""
        return self._shape == (frame.width, frame.height, frame.format.name)

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Yield the pictures that *frame* completes: the one before it."""
        self._graph.vpush(frame)
        while True:
            try:
                ready = self._graph.vpull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(ready, av.VideoFrame)
            if ready.pts is not None and ready.time_base:
                ready.pts = round(ready.pts * ready.time_base / CLOCK)
                ready.time_base = CLOCK
            yield ready
