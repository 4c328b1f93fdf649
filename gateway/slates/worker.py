"""The child that makes slates: ``python -I -m gateway.slates.worker PARENT_PID CODEC``.

For each request on standard input it writes one picture to standard output; it ends when its input
does. It is in its sandbox before the first request comes.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from typing import BinaryIO

import av
import cv2

from gateway.slates.drawing import Drawing
from gateway.slates.encoder import SlateEncoder
from gateway.slates.pipe import (
    REQUEST_BYTES,
    Command,
    SlateRequest,
    pack_picture,
    parse_request,
    text_bytes,
)
from gateway.slates.slate_format import HIGH, SlateCodec, SlateFormat
from gateway.transcoding.encoder import EncoderFailed
from gateway.vision.pipe import MalformedMessage, Status, pack_reply, write_all
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

MEMORY_BYTES = 512 * 1024 * 1024
"""RLIMIT_DATA: the libraries, and the encoders that `gateway.slates.service` allows."""
NICE = 6
"""Viewers of a camera that is there go first."""
MOST_SLATES = 64
"""More than `gateway.slates.service` has at a time, which asks for new ones before it forgets."""
EXIT_MALFORMED, EXIT_ENCODER = 3, 4

_ONE_ARENA = -8, 1
"""mallopt(3): M_ARENA_MAX. x265 has a thread for each slate, and each would reserve 128 MB."""

cv2.setNumThreads(1)


@dataclass(slots=True)
class _Slate:
    drawing: Drawing
    encoder: SlateEncoder


class SlateMaker:
    """Draws and encodes the slates that are asked for."""

    def __init__(self) -> None:
        self._slates: dict[int, _Slate] = {}

    def answer(self, request: SlateRequest) -> bytes:
        """Return what *request* asks for; nothing for a slate that is to be forgotten.

        Raises:
            EncoderFailed: There is no picture.
        """
        if request.command is Command.FORGET:
            self._slates.pop(request.slate, None)
            return b""
        slate = self._slates.get(request.slate)
        if slate is None:
            slate = self._slates[request.slate] = self._begin(request)
        luma = slate.drawing.at(request.texts[2])
        nals, keyframe = slate.encoder.encode(luma, keyframe=request.keyframe)
        return pack_picture(nals, keyframe=keyframe)

    def _begin(self, request: SlateRequest) -> _Slate:
        if len(self._slates) >= MOST_SLATES:
            raise EncoderFailed("more slates than anybody asks for")
        form, (first, second, _) = request.format, request.texts
        drawing = Drawing(form.width, form.height, first, second)
        return _Slate(drawing, SlateEncoder(form))


def warm_up(codec: SlateCodec) -> None:
    """Make one slate, so that libraries load their late parts before the sandbox closes."""
    form = SlateFormat(codec, 320, 180, HIGH, 0)
    maker = SlateMaker()
    for keyframe in (True, False):
        texts = ("Không tới được camera", "unreachable", "28/11/2026 14:30:05")
        maker.answer(SlateRequest(Command.PICTURE, 0, keyframe, form, texts))


def main() -> int:
    """Serve until the gateway closes the pipe; return the exit code."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # prints of libraries must not get between the replies
    codec: SlateCodec = "h265" if sys.argv[2] == "h265" else "h264"
    threads = codec == "h265"
    ctypes.CDLL(None).mallopt(*_ONE_ARENA)
    missing = enter_sandbox(int(sys.argv[1]), memory_bytes=MEMORY_BYTES, nice=NICE, threads=threads)
    limit_cpu_time()
    av.logging.set_level(None)
    try:
        warm_up(codec)
    except EncoderFailed:
        return EXIT_ENCODER
    if not install_seccomp_filter(threads=threads):
        missing.append("calls")
    write_all(replies, pack_reply(Status.READY, " ".join(missing).encode()))
    return _serve(sys.stdin.buffer, replies)


def _serve(requests: BinaryIO, replies: BinaryIO) -> int:
    maker = SlateMaker()
    while len(head := requests.read(REQUEST_BYTES)) == REQUEST_BYTES:
        limit_cpu_time()
        try:
            request = parse_request(head, requests.read(text_bytes(head)))
            reply = pack_reply(Status.DONE, maker.answer(request))
        except MalformedMessage:
            return EXIT_MALFORMED
        except (EncoderFailed, MemoryError) as error:
            reply = pack_reply(Status.UNDECODABLE, str(error).encode()[:200])
        write_all(replies, reply)
    return 0


if __name__ == "__main__":
    sys.exit(main())
