"""The decoder's worker process: ``python -I -m gateway.vision.worker PARENT_PID``.

Reads requests from standard input, decodes one picture for each, writes the reply to standard
output, and ends when its input does. It keeps nothing between requests and is in its sandbox before
the first picture comes.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO

import av
import cv2

from gateway.vision.decode import UndecodablePicture, decode, encode_jpeg, luma_and_chroma
from gateway.vision.measure import analyze
from gateway.vision.metrics import THUMB_BYTES
from gateway.vision.pipe import (
    CODECS,
    REQUEST_BYTES,
    MalformedMessage,
    RequestHeader,
    Status,
    pack_reply,
    parse_request_header,
    write_all,
)
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

cv2.setNumThreads(1)


def handle_request(head: RequestHeader, reference: bytes, coded: bytes) -> tuple[Status, bytes]:
    """Return status and body of the reply. An undecodable picture is a status, not an error."""
    try:
        frame = decode(head.codec, coded)
        if head.width:
            return Status.DONE, encode_jpeg(frame, head.width, head.at_most_bytes)
        luma, colour = luma_and_chroma(frame)
        return Status.DONE, analyze(luma, colour, reference).pack()
    except UndecodablePicture as error:
        return Status.UNDECODABLE, str(error).encode()
    except MemoryError:
        return Status.UNDECODABLE, b"needs more memory than it may have"


def warm_up() -> None:
    """Run every step once, so that libraries load their late parts before the sandbox closes.

    For instance numpy.percentile imports a package at its first call.
    """
    for layout in ("yuv420p", "yuv422p"):
        frame = av.VideoFrame(64, 48, layout)
        luma, colour = luma_and_chroma(frame)
        analyze(luma, colour, bytes(THUMB_BYTES)).pack()
        encode_jpeg(frame, 64, 65_536)
    for codec in CODECS:
        with suppress(UndecodablePicture):
            decode(codec, b"\0\0\0\1\x65")


def main() -> int:
    """Serve until the gateway closes the pipe; return the exit code."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # prints of libraries must not get between the replies
    missing = enter_sandbox(int(sys.argv[1]))
    limit_cpu_time()

    warm_up()
    if not install_seccomp_filter():
        missing.append("calls")
    write_all(replies, pack_reply(Status.READY, " ".join(missing).encode()))
    tasks = sys.stdin.buffer
    while len(raw := tasks.read(REQUEST_BYTES)) == REQUEST_BYTES:
        try:
            head = parse_request_header(raw)
        except MalformedMessage:
            return 1
        reference, coded = _body(tasks, head)
        if len(coded) < head.coded:
            break
        limit_cpu_time()
        write_all(replies, pack_reply(*handle_request(head, reference, coded)))
    return 0


def _body(tasks: BinaryIO, head: RequestHeader) -> tuple[bytes, bytes]:
    return tasks.read(head.reference), tasks.read(head.coded)


if __name__ == "__main__":
    sys.exit(main())
