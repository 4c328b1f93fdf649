"""Decodes one keyframe, in the worker process only: FFmpeg and OpenCV are loaded here.

Each picture gets a decoder of its own, so that no camera's data reaches the next one. No thread is
started: the sandbox forbids it (RLIMIT_NPROC), and PyAV's scaler is told so explicitly. FFmpeg is
given the largest picture size before it allocates, whatever the SPS says.
"""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.codec.context import ThreadType
from av.error import FFmpegError

from gateway.model.media import Codec
from gateway.vision.ffmpeg_input import DECODERS, MAX_PIXELS, PADDING
from gateway.vision.measure import Plane

_PLAIN = frozenset(("yuv420p", "yuvj420p"))
_QUALITIES = (85, 70, 55, 40, 28)
_SHRINK = 0.75
_MIN_WIDTH = 64


class UndecodablePicture(Exception):
    """These bytes cannot be decoded to a picture."""


def decode(codec: Codec, coded: bytes) -> av.VideoFrame:
    """Return the first picture of *coded*, an access unit in Annex B form, a JPEG, or MPEG-4.

    Raises:
        UndecodablePicture: There is none, it is damaged, or it is larger than `MAX_PIXELS`.
    """
    context = av.CodecContext.create(DECODERS[codec], "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    context.thread_type = ThreadType.NONE
    context.options = {"max_pixels": str(MAX_PIXELS)}
    try:
        frames = context.decode(av.Packet(coded + PADDING)) or context.decode(None)
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
    """Return *frame* as JPEG of at most *width* pixels width and *at_most_bytes* bytes.

    Quality is lowered first, then the size.

    Raises:
        UndecodablePicture: Even the smallest size and quality exceed *at_most_bytes*.
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
