"""Tries one encoder: ``python -I -m gateway.transcoding.encoder_trial NAME``.

Opens it, feeds it three pictures, and decodes what comes out. Prints nothing and exits with 0 if
it works; else prints what is wrong. Some encoders hang: whoever runs this has a time limit.
"""

from __future__ import annotations

import sys

import av

from gateway.rtp.payload import annex_b
from gateway.transcoding.encoder import EncoderFailed, H264Encoder
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.pictures import PictureDecoder, Undecodable

PICTURES = 3
WIDTH, HEIGHT = 640, 360
STEP_90K = 3600


def try_encoder(name: str) -> str:
    """Return what is wrong with the encoder *name*; empty: it works."""
    encoder, decoder = H264Encoder(name, OutputFormat()), PictureDecoder("h264", HEIGHT)
    decoded = keyframes = coded = 0
    try:
        for index in range(PICTURES):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([60 + 40 * index]) * plane.buffer_size)
            frame.pts = index * STEP_90K
            for nals, time_90k, keyframe in encoder.encode(frame):
                coded += 1
                keyframes += keyframe
                decoded += len(list(decoder.decode(annex_b(nals), time_90k)))
    except EncoderFailed as error:
        return str(error).removeprefix(f"{name}: ")
    except Undecodable as error:
        return f"what it gives cannot be decoded ({error})"
    if coded < PICTURES:
        return f"of {PICTURES} pictures it gives {coded}"
    if keyframes != 1 or decoded < PICTURES:
        return f"of {PICTURES} pictures {decoded} can be decoded, {keyframes} are keyframes"
    return ""


def main() -> int:
    """Try the encoder that is named; return the exit code."""
    av.logging.set_level(None)
    wrong = try_encoder(sys.argv[1])
    sys.stdout.write(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
