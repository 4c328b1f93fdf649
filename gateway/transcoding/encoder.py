"""Encodes pictures as H.264 for browsers: no B-frames, nothing held back, keyframes when asked.

In the child process only: FFmpeg is loaded here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from gateway.rtp.h264 import IDR, PPS, SPS
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.pictures import CLOCK

_SKIPPED = frozenset((6, 9, 12))  # SEI (x264 says there how it was called), delimiter, filler
_START_CODE = b"\x00\x00\x01"


class SizeChanged(Exception):
    """Pictures have another size than that for which an encoder was opened that stays open."""


class EncoderFailed(Exception):
    """The encoder does not open, or gives what it must not."""


def split_annex_b(coded: bytes) -> Iterator[bytes]:
    """Yield the NAL units of *coded*, in Annex B form, without start codes."""
    at = coded.find(_START_CODE)
    while at != -1:
        start = at + len(_START_CODE)
        at = coded.find(_START_CODE, start)
        nal = (coded[start:] if at == -1 else coded[start:at]).rstrip(b"\x00")
        if nal:
            yield nal


class CompleteUnits:
    """Splits what an encoder gives, with parameter sets before each keyframe.

    Some encoders say them once, or out of band only; v4l2m2m of some boards never.
    """

    def __init__(self) -> None:
        self._sets: tuple[bytes, ...] = ()

    def split(self, coded: bytes, extradata: bytes | None) -> tuple[list[bytes], bool]:
        """Return the NAL units of *coded*, and whether it is a keyframe.

        Args:
            coded: One picture in Annex B form.
            extradata: What the encoder says out of band, in the same form.
        """
        nals = [nal for nal in split_annex_b(coded) if nal[0] & 0x1F not in _SKIPPED]
        kinds = {nal[0] & 0x1F for nal in nals}
        keyframe = IDR in kinds
        if keyframe and {SPS, PPS} <= kinds:
            self._sets = _sets_of(nals)
        elif keyframe:
            nals = [*(self._sets or _sets_of(split_annex_b(extradata or b""))), *nals]
        return nals, keyframe


def _sets_of(nals: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(nal for nal in nals if nal[0] & 0x1F in (SPS, PPS))


class H264Encoder:
    """One encoder; opened at the first picture, and anew when the size of the pictures changes.

    One that is opened by `open` stays so.

    Args:
        name: FFmpeg's name of the encoder.
        output: What it shall send.
    """

    def __init__(self, name: str, output: OutputFormat) -> None:
        self._name = name
        self._output = output
        self._context: av.VideoCodecContext | None = None
        self._stays = False
        self._units = CompleteUnits()
        self._keyframe_90k: int | None = None
        self._last_90k = -1
        self._keyframe_wanted = True

    @property
    def size(self) -> tuple[int, int]:
        """Of the pictures now; 0 before the first."""
        return (self._context.width, self._context.height) if self._context else (0, 0)

    def open(self, width: int, height: int) -> None:
        """Open it for pictures of this size and no other. Raises EncoderFailed."""
        self._context, self._stays = self._open(width, height), True

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._keyframe_wanted = True

    def encode(self, frame: av.VideoFrame) -> list[tuple[list[bytes], int, bool]]:
        """Return what *frame* completes: NAL units, time, and whether it is a keyframe.

        Raises:
            EncoderFailed: It does not open or breaks.
            SizeChanged: It was opened for another size, to stay so.
        """
        if self._context is None or self.size != (frame.width, frame.height):
            if self._stays:
                raise SizeChanged
            self._context = self._open(frame.width, frame.height)
            self._keyframe_wanted = True
        time_90k = max(frame.pts or 0, self._last_90k + 1)
        self._last_90k = time_90k
        gop_90k = self._output.gop_s / CLOCK
        since = None if self._keyframe_90k is None else time_90k - self._keyframe_90k
        wanted = self._keyframe_wanted or since is None or since >= gop_90k
        # Otherwise the encoder would follow the camera's picture types.
        frame.pict_type = PictureType.I if wanted else PictureType.NONE
        frame.pts = time_90k
        if wanted:
            self._keyframe_90k, self._keyframe_wanted = time_90k, False
        try:
            packets = self._context.encode(frame)
        except (FFmpegError, ValueError) as error:
            raise EncoderFailed(f"{self._name}: {error}") from error
        return [self._unit(packet) for packet in packets]

    def _unit(self, packet: av.Packet[av.VideoStream]) -> tuple[list[bytes], int, bool]:
        extra = self._context.extradata if self._context is not None else None
        nals, keyframe = self._units.split(bytes(packet), extra)
        return nals, packet.pts if packet.pts is not None else self._last_90k, keyframe

    def _open(self, width: int, height: int) -> av.VideoCodecContext:
        output = self._output
        try:
            context = av.CodecContext.create(self._name, "w")
            assert isinstance(context, av.VideoCodecContext)
            context.width, context.height = width, height
            context.pix_fmt = "yuv420p"
            context.time_base = CLOCK
            context.framerate = Fraction(output.fps).limit_denominator(1000)
            context.bit_rate = output.bitrate_bps
            context.max_b_frames = 0
            context.gop_size = max(1, round(output.gop_s * output.fps * 4))
            context.thread_count = 1
            if self._name == "libx264":
                context.options = self._x264_options()
            context.open()
        except av.codec.codec.UnknownCodecError as error:
            raise EncoderFailed(f"{self._name}: this FFmpeg does not have it") from error
        except (FFmpegError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise EncoderFailed(f"{self._name}: does not open ({said})") from error
        return context

    def _x264_options(self) -> dict[str, str]:
        output = self._output
        kbps = max(1, output.bitrate_bps // 1000)
        parameters = {
            "repeat-headers": 1,
            "scenecut": 0,
            "sliced-threads": 0,
            "threads": 1,
            "vbv-maxrate": kbps * 3 // 2,
            "vbv-bufsize": max(1, round(kbps * output.buffer_s)),
        }
        return {
            "preset": output.preset,
            "tune": "zerolatency",
            "profile": output.profile,
            "forced-idr": "1",
            "x264-params": ":".join(f"{key}={number}" for key, number in parameters.items()),
        }
