"""What FFmpeg is given of a camera, in every child that decodes: bounds, and names of decoders."""

from __future__ import annotations

from gateway.model.media import Codec

MAX_PIXELS = 4_096 * 2_304
"""FFmpeg allocates no larger picture, whatever the bitstream says."""

DECODERS: dict[Codec, str] = {
    "h264": "h264",
    "h265": "hevc",
    "mjpeg": "mjpeg",
    "mpeg4": "mpeg4",
}

PADDING = bytes(64)
"""FFmpeg reads so far behind a picture (AV_INPUT_BUFFER_PADDING_SIZE) and takes what it finds there
for a part of MPEG-4; PyAV gives it our bytes as they are. Zeros there mean nothing in any codec."""
