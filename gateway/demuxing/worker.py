"""The demuxing child: ``python -I -m gateway.demuxing.worker PARENT_PID FORMAT``.

Reads a container from standard input, writes what is in it to standard output, and ends when its
input does. It is in its sandbox before the first byte comes.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

import av

from gateway.demuxing.demuxer import (
    Changed,
    Demuxer,
    NoCodec,
    NoContainer,
    NoVideo,
)
from gateway.demuxing.messages import (
    FORMATS,
    MAX_TEXT_BYTES,
    ContainerFormat,
    Report,
    ReportHeader,
    pack_report,
)
from gateway.vision.pipe import write_all
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

MEMORY_BYTES = 192 * 1024 * 1024
"""RLIMIT_DATA: `MOST_STREAMS` buffers of a unit, and Python."""
NICE = 0
"""As the gateway itself: this is relaying, not transcoding."""
LIMIT_EVERY_S = 1.0

_SAMPLE = bytes.fromhex(
    "464c56010100000009000000000900002b0000000000000017000000000142c00affe100166742c00ad9"
    "1ec044000003000400000300c83c48992001000568cb83cb200000003609000013000000000000001701"
    "0000000000000a6588840af2628000a7be0000001e"
)
"""An FLV file with one picture of H.264, 16 x 16 and black."""


class PipeInput:
    """Standard input; each second in which some came may cost so much processor time."""

    def __init__(self) -> None:
        self._limited_s = 0.0

    def read(self, count: int) -> bytes:
        """Return what is there, up to *count* bytes; none at the end."""
        raw = os.read(0, count)
        now_s = time.monotonic()
        if now_s - self._limited_s >= LIMIT_EVERY_S:
            self._limited_s = now_s
            limit_cpu_time()
        return raw


def run(container_format: ContainerFormat, out: BinaryIO) -> None:
    """Demux standard input to *out* until it ends."""
    demuxer = Demuxer(container_format, PipeInput().read)
    last, text = Report.NO_CONTAINER, ""
    try:
        for picture in demuxer.pictures():
            head = ReportHeader(Report.UNIT, picture.codec, picture.time_90k, picture.skipped)
            write_all(out, pack_report(head, picture.pieces))
        return
    except NoContainer:
        pass
    except NoVideo:
        last = Report.NO_VIDEO
    except NoCodec as error:
        last, text = Report.NO_CODEC, str(error)
    except Changed:
        last = Report.CHANGED
    said = [text.encode()[:MAX_TEXT_BYTES]] if text else []
    write_all(out, pack_report(ReportHeader(last, skipped=demuxer.skipped), said))


def main() -> int:
    """Serve until the gateway closes the pipe; return the exit code."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # prints of libraries must not get between the reports
    parent, named = int(sys.argv[1]), sys.argv[2]
    chosen: ContainerFormat = next(each for each in FORMATS if each == named)
    missing = enter_sandbox(parent, memory_bytes=MEMORY_BYTES, nice=NICE)
    limit_cpu_time()
    av.logging.set_level(None)
    warm_up(chosen)
    if not install_seccomp_filter():
        missing.append("calls")
    said = [" ".join(missing).encode()] if missing else []
    write_all(out, pack_report(ReportHeader(Report.READY), said))
    run(chosen, out)
    return 0


def warm_up(container_format: ContainerFormat) -> None:
    """Run every step once, so that libraries load their late parts before the sandbox closes."""
    list(Demuxer("flv", BytesIO(_SAMPLE).read).pictures())
    with suppress(NoContainer, NoVideo):
        list(Demuxer(container_format, BytesIO(bytes(4096)).read).pictures())


if __name__ == "__main__":
    sys.exit(main())
