"""Tries one encoder: ``python -I -m gateway.transcoding.encoder_trial NAME``.

Opens it, feeds it three pictures, and decodes what comes out. The machine's own program is given
one more, which must become a keyframe, and its own words are what is printed. Prints nothing and
exits with 0 if it works; else prints what is wrong. Some encoders hang: whoever runs this has a
time limit.
"""

from __future__ import annotations

import select
import subprocess
import sys

import av

from gateway.model.media import Codec
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtp.payload import annex_b
from gateway.transcoding.encoder import EncoderFailed, H264Encoder, split_annex_b
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.pictures import CLOCK, PictureDecoder, Undecodable
from gateway.transcoding.program import Program, warm_up
from gateway.transcoding.program_command import PREFIX, takes

PICTURES = 3
WIDTH, HEIGHT = 640, 360
STEP_90K = 3600
ANSWERS_WITHIN_MS = 4000


def try_encoder(name: str) -> str:
    """Return what is wrong with the encoder *name*; empty: it works."""
    encoder, decoder = H264Encoder(name, OutputFormat()), PictureDecoder("h264", HEIGHT)
    decoded = keyframes = coded = 0
    try:
        for index in range(PICTURES):
            for nals, time_90k, keyframe in encoder.encode(_picture(index)):
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


def try_program(name: str) -> str:
    """Return what is wrong with the machine's own program, called as *name*; empty: it works."""
    warm_up()
    codec: Codec = "h264" if takes(name, "h264") else "h265"
    pictures = _coded(codec)
    shown = parse_picture(codec, tuple(split_annex_b(pictures[0])))
    if shown is None:
        return "the trial's own pictures cannot be read"
    try:
        program = Program(name, codec, shown, OutputFormat(), say=subprocess.PIPE)
    except EncoderFailed as error:
        return str(error)
    try:
        for index, coded in enumerate(pictures):
            wanted = index in (0, PICTURES)
            at_90k = index * STEP_90K
            program.push(coded, at_90k, keyframe=index == 0, wanted=wanted, skip=False)
        keyframes = _keyframes(program, len(pictures))
    except EncoderFailed as error:
        return program.close() or str(error)
    except Undecodable as error:
        return f"what it gives cannot be decoded ({error})"
    if keyframes != [0, PICTURES]:
        return f"keyframes are asked of pictures 0 and {PICTURES}, and come at {keyframes}"
    return ""


def _keyframes(program: Program, count: int) -> list[int]:
    """Return which of *count* pictures are keyframes. Raises EncoderFailed or Undecodable."""
    decoder, decoded, keyframes = PictureDecoder("h264", HEIGHT), 0, list[int]()
    wait = select.poll()
    wait.register(program.read_fd, select.POLLIN)
    while decoded < count:
        if not wait.poll(ANSWERS_WITHIN_MS):
            raise EncoderFailed(f"of {count} pictures it gives {decoded}")
        for nals, time_90k, keyframe in program.take():
            if keyframe:
                keyframes.append(time_90k // STEP_90K)
            decoded += len(list(decoder.decode(annex_b(nals), time_90k)))
    return keyframes


def _coded(codec: Codec) -> list[bytes]:
    """Return pictures of a camera of *codec*."""
    context = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base = CLOCK
    context.thread_count = 1
    quiet = {"x265-params": "log-level=none:pools=none:frame-threads=1"} if codec == "h265" else {}
    context.options = {"preset": "ultrafast", "tune": "zerolatency", **quiet}
    coded = [bytes(packet) for at in range(PICTURES + 1) for packet in context.encode(_picture(at))]
    return coded + [bytes(packet) for packet in context.encode(None)]


def _picture(index: int) -> av.VideoFrame:
    """Return the *index*-th picture, of one grey."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([60 + 40 * index]) * plane.buffer_size)
    frame.pts = index * STEP_90K
    return frame


def main() -> int:
    """Try the encoder that is named; return the exit code."""
    av.logging.set_level(None)
    name = sys.argv[1]
    wrong = try_program(name) if name.startswith(PREFIX) else try_encoder(name)
    sys.stdout.write(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
