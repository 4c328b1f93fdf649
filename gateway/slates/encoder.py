"""Encodes the pictures of one slate: nothing held back, parameter sets with each keyframe.

In the child process only: FFmpeg is loaded here.
"""

from __future__ import annotations

from fractions import Fraction

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from gateway.rtp.codecs import CODEC_SYNTAX
from gateway.slates.drawing import Luma, as_yuv420
from gateway.slates.slate_format import BASELINE, HIGH, MAIN, SlateCodec, SlateFormat
from gateway.transcoding.encoder import EncoderFailed, split_annex_b

NAMES: dict[SlateCodec, str] = {"h264": "libx264", "h265": "libx265"}
_SKIPPED = {"h264": frozenset((6, 9, 12)), "h265": frozenset((35, 38, 39, 40))}
"""SEI (the encoder says there how it was called), delimiter, filler."""
_PROFILES = {BASELINE: "baseline", MAIN: "main", HIGH: "high"}
_SECOND = Fraction(1, 1)
_CLOSED = 1 << 20
"""GOP size: keyframes come when they are asked for only."""


class SlateEncoder:
    """One encoder.

    Args:
        form: What it shall make.

    Raises:
        EncoderFailed: It does not open.
    """

    def __init__(self, form: SlateFormat) -> None:
        self._codec = form.codec
        self._number = 0
        try:
            self._context = _open(form)
        except EncoderFailed:  # of a level that this size does not fit into
            self._context = _open(SlateFormat(form.codec, form.width, form.height, form.profile, 0))

    def encode(self, luma: Luma, *, keyframe: bool) -> tuple[list[bytes], bool]:
        """Return the NAL units of the next picture, and whether it is a keyframe.

        Raises:
            EncoderFailed: It breaks, or holds the picture back.
        """
        frame = av.VideoFrame.from_ndarray(as_yuv420(luma), format="yuv420p")
        frame.pts = self._number
        frame.pict_type = PictureType.I if keyframe or not self._number else PictureType.NONE
        self._number += 1
        try:
            coded = b"".join(bytes(packet) for packet in self._context.encode(frame))
        except (FFmpegError, ValueError) as error:
            raise EncoderFailed(f"{self._codec}: {error}") from error
        payload_format = CODEC_SYNTAX[self._codec].payload_format
        kinds: set[int] = set()
        nals: list[bytes] = []
        for nal in split_annex_b(coded):
            kind = payload_format.nal_type(nal)
            if kind not in _SKIPPED[self._codec]:
                kinds.add(kind)
                nals.append(nal)
        if not nals:
            raise EncoderFailed(f"{self._codec}: holds pictures back")
        return nals, bool(kinds & payload_format.irap_types)


def _open(form: SlateFormat) -> av.VideoCodecContext:
    try:
        context = av.CodecContext.create(NAMES[form.codec], "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height = form.width, form.height
        context.pix_fmt = "yuv420p"
        context.time_base = context.framerate = _SECOND
        context.max_b_frames = 0
        context.gop_size = _CLOSED
        context.thread_count = 1
        if all(form.aspect):
            context.sample_aspect_ratio = Fraction(*form.aspect)
        context.options = _x264(form) if form.codec == "h264" else _x265(form)
        context.open()
    except (FFmpegError, ValueError) as error:
        raise EncoderFailed(f"{form.codec}: does not open ({error})") from error
    return context


def _x264(form: SlateFormat) -> dict[str, str]:
    parameters = ["repeat-headers=1", "scenecut=0", "sliced-threads=0", "threads=1", "ref=1"]
    if form.level:
        parameters.append(f"level={form.level}")
    return {
        "preset": "superfast",
        "tune": "zerolatency",
        "profile": _PROFILES.get(form.profile, "high"),
        "forced-idr": "1",
        "crf": "24",
        "x264-params": ":".join(parameters),
    }


def _x265(form: SlateFormat) -> dict[str, str]:
    parameters = ["repeat-headers=1", "scenecut=0", "frame-threads=1", "pools=none", "ref=1"]
    parameters += ["bframes=0", "rc-lookahead=0", "keyint=-1", "log-level=none", "info=0"]
    # Half the work of the preset alone, for a picture of which hardly anything changes.
    parameters += ["min-cu-size=16", "early-skip=1", "max-merge=1", "fast-intra=1"]
    if form.level:
        parameters.append(f"level-idc={form.level}")
    return {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "forced-idr": "1",
        "crf": "26",
        "x265-params": ":".join(parameters),
    }
