"""One keyframe in, one picture out. Only the child process loads this: here FFmpeg runs.

A decoder lives for one picture, so that no camera leaves anything behind for the next one. Nothing
here starts a thread: the child may not (RLIMIT_NPROC), and PyAV's scaler wants one per core unless
told. FFmpeg is told the largest picture before it allocates one, whatever the SPS says.
"""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.codec.context import ThreadType
from av.error import FFmpegError

from gateway.model.media import Codec
from gateway.vision.measure import Plane

MAX_PIXELS = 4_096 * 2_304
_DECODERS: dict[Codec, str] = {"h264": "h264", "h265": "hevc"}
_PLAIN = frozenset(("yuv420p", "yuvj420p"))
_QUALITIES = (85, 70, 55, 40, 28)
_SHRINK = 0.75
_MIN_WIDTH = 64


class UndecodablePicture(Exception):
    """No picture comes of these bytes."""


def decode(codec: Codec, coded: bytes) -> av.VideoFrame:
    """Return the first picture of *coded*, an access unit in Annex B form.

    Raises:
        Undecodable: There is none, it is damaged, or larger than `MAX_PIXELS`.
    """
    context = av.CodecContext.create(_DECODERS[codec], "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    context.thread_type = ThreadType.NONE
    context.options = {"max_pixels": str(MAX_PIXELS)}
    try:
        frames = context.decode(av.Packet(coded)) or context.decode(None)
    except (FFmpegError, ValueError, MemoryError) as error:
        raise UndecodablePicture(type(error).__name__) from error
    if not frames:
        raise UndecodablePicture("no picture")
    frame = frames[0]
    if not 0 < frame.width * frame.height <= MAX_PIXELS:
        raise UndecodablePicture("larger than we decode")
    if frame.is_corrupt:
        raise UndecodablePicture("damaged")
    return frame


def luma_and_chroma(frame: av.VideoFrame) -> tuple[Plane, float]:
    """Return the luma of *frame*, 8 bits, and the mean distance of its chroma from grey."""
    if frame.format.name not in _PLAIN:
        frame = frame.reformat(format="yuv420p", threads=1)
    luma, *chroma = (_plane(plane) for plane in frame.planes)
    distances = [np.abs(plane[::4, ::4].astype(np.int16) - 128).mean() for plane in chroma]
    return luma, float(max(distances))


def encode_jpeg(frame: av.VideoFrame, width: int, at_most_bytes: int) -> bytes:
    """Return *frame* as JPEG, at most *width* wide, as good as *at_most_bytes* allow.

    Raises:
        Undecodable: Not even a tiny one is that small.
    """
    width = min(width, frame.width)
    while width >= min(_MIN_WIDTH, frame.width):
        height = max(1, round(frame.height * width / frame.width))
        scaled = frame.reformat(width, height, "bgr24", interpolation="AREA", threads=1)
        image = scaled.to_ndarray()
        for quality in _QUALITIES:
            _, coded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
            if coded.size <= at_most_bytes:
                return bytes(coded.tobytes())
        width = int(width * _SHRINK)
    raise UndecodablePicture(f"no JPEG of {at_most_bytes} bytes")


def _plane(plane: av.video.plane.VideoPlane) -> Plane:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return np.asarray(rows[:, : plane.width], np.uint8)
