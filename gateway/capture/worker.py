"""The capturing child: ``python -I -m gateway.capture.worker PARENT_PID DEVICE... -- OUTPUT...``.

It opens its device, closes its sandbox, and then writes what it captures and encodes to standard
output. A byte on standard input asks for a keyframe; its end ends the child. What is wrong with the
device is its exit code (`gateway.capture.options.Cause`).
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import av
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from gateway.capture.device import RUNNING_CALLS, CaptureDevice, CaptureFailed, CaptureFormat
from gateway.capture.options import CaptureOptions, Cause
from gateway.transcoding.encoder import EncoderFailed, H264Encoder
from gateway.transcoding.messages import OutputHeader, Report, pack_report
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.pictures import CLOCK, Deinterlacer, Scaler
from gateway.vision.ffmpeg_input import PADDING
from gateway.vision.pipe import write_all
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

MEMORY_BYTES = 256 * 1024 * 1024
NICE = 4
ENCODER = "libx264"
"""Pictures of this size cost a quarter of a core; a hardware encoder is for what costs more."""

WAIT_S = 0.25
SIGNAL_EVERY_S = 1.0
NO_SIGNAL_S = 3.0
"""A grabber takes a second or two to find the lines of a signal that is there."""


class Pictures:
    """Makes H.264 of what a device sends.

    Args:
        source: What that is.
        output: What comes out.

    Attributes:
        decoded: Pictures that could be read.
        damaged: Pictures that could not.
    """

    def __init__(self, source: CaptureFormat, output: OutputFormat) -> None:
        context = av.CodecContext.create("rawvideo" if source.pixels else "mjpeg", "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1
        if source.pixels:
            context.width, context.height = source.width, source.height
            context.pix_fmt = source.pixels
        else:
            context.options = {"max_pixels": str(source.width * source.height)}
        self._context = context
        self._fields = source.fields or None
        self._planar = VideoReformatter()
        self._scaler = Scaler(output.height)
        self._deinterlacer: Deinterlacer | None = None
        self.encoder = H264Encoder(ENCODER, output)
        self.decoded = self.damaged = 0

    def push(self, coded: bytes, time_90k: int) -> Iterator[tuple[list[bytes], int, bool]]:
        """Yield the pictures that *coded* completes: NAL units, time, whether a keyframe.

        Raises:
            EncoderFailed: The encoder breaks.
        """
        packet = av.Packet(coded + PADDING)
        packet.pts = packet.dts = time_90k
        packet.time_base = CLOCK
        try:
            frames = self._context.decode(packet)
        except (FFmpegError, ValueError, MemoryError):
            self.damaged += 1
            return
        for frame in frames:
            self.decoded += 1
            frame.pts, frame.time_base = time_90k, CLOCK
            for each in self._progressive(frame):
                yield from self.encoder.encode(self._scaler.scale(each, None))

    def _progressive(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        if self._fields is None:
            yield frame
            return
        if frame.format.name in ("yuyv422", "uyvy422"):
            pts = frame.pts
            frame = self._planar.reformat(frame, format="yuv422p", threads=1)
            frame.pts, frame.time_base = pts, CLOCK
        if self._deinterlacer is None or not self._deinterlacer.fits(frame):
            self._deinterlacer = Deinterlacer(frame, self._fields)
        yield from self._deinterlacer.push(frame)


def warm_up(source: CaptureFormat, output: OutputFormat) -> None:
    """Run every step once, so that libraries load their late parts before the sandbox closes.

    Raises:
        EncoderFailed: The encoder does not open.
    """
    trial = Pictures(source, output)
    picture = bytes(source.picture_bytes)
    if not source.pixels:
        frame = av.VideoFrame(source.width, source.height, "yuvj422p")
        encoder = av.CodecContext.create("mjpeg", "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = source.width, source.height, "yuvj422p"
        encoder.time_base = CLOCK
        encoder.thread_count = 1
        picture = b"".join(bytes(each) for each in encoder.encode(frame))
    for number in range(3):
        list(trial.push(picture, number))


class Capture:
    """Reads the device and writes what comes of it.

    Args:
        device: Open.
        pictures: Makes H.264 of it.
        reports: Where that is written.
        stall_s: How long no picture may come.
    """

    def __init__(
        self, device: CaptureDevice, pictures: Pictures, reports: BinaryIO, *, stall_s: float
    ) -> None:
        self._device, self._pictures, self._reports = device, pictures, reports
        self._stall_s = stall_s
        self._encoded = self._serial = 0
        now_s = time.monotonic()
        self._picture_s = self._signal_s = self._looked_s = self._reported_s = now_s

    def step(self) -> None:
        """Do what is to be done within `WAIT_S`.

        Raises:
            CaptureFailed: No signal, no pictures, or no device any more.
            EncoderFailed: The encoder breaks.
        """
        picture = self._device.read(WAIT_S)
        now_s = time.monotonic()
        self._look(now_s)
        if picture is not None:
            before = self._pictures.decoded
            for nals, time_90k, keyframe in self._pictures.push(picture, int(now_s * 90_000)):
                self._encoded += 1
                self._report(Report.UNIT, nals, time_90k, keyframe)
                self._reported_s = now_s
            if self._pictures.decoded > before:
                self._picture_s = now_s
        if now_s - self._picture_s > self._stall_s:
            raise CaptureFailed(Cause.SILENT, f"no picture for {self._stall_s:g} s")
        if now_s - self._reported_s > SIGNAL_EVERY_S:
            self._report(Report.PROGRESS)
            self._reported_s = now_s

    def _look(self, now_s: float) -> None:
        """Look now and then whether there is a signal."""
        if now_s - self._looked_s < SIGNAL_EVERY_S:
            return
        self._looked_s = now_s
        if self._device.has_signal():
            self._signal_s = now_s
        elif now_s - self._signal_s > NO_SIGNAL_S:
            raise CaptureFailed(Cause.NO_SIGNAL, "no signal")

    def _report(
        self, report: Report, nals: list[bytes] | None = None, time_90k: int = 0, key: bool = False
    ) -> None:
        self._serial = (self._serial + 1) % (1 << 32)
        width, height = self._pictures.encoder.size
        used = resource.getrusage(resource.RUSAGE_SELF)
        head = OutputHeader(
            report,
            key,
            len(nals or ()),
            self._serial,
            time_90k,
            self._pictures.decoded,
            self._encoded,
            self._pictures.damaged + self._device.damaged,
            1,
            width,
            height,
            used.ru_utime + used.ru_stime,
        )
        write_all(self._reports, pack_report(head, nals or ()))


def main() -> int:
    """Capture until the gateway closes the pipe; return the exit code."""
    reports = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # prints of libraries must not get between the reports
    middle = sys.argv.index("--")
    options = CaptureOptions.from_arguments(sys.argv[2:middle])
    output = OutputFormat.from_arguments(sys.argv[middle + 1 :])
    try:
        device = CaptureDevice(options)
        missing = enter_sandbox(int(sys.argv[1]), memory_bytes=MEMORY_BYTES, nice=NICE)
        limit_cpu_time()
        av.logging.set_level(None)
        warm_up(device.format, output)
        os.set_blocking(0, False)
        if not install_seccomp_filter(waiting=True, requests=RUNNING_CALLS):
            missing.append("calls")
        said = [_described(device).encode()]
        said += [" ".join(missing).encode()] if missing else []
        write_all(reports, pack_report(OutputHeader(Report.READY, nals=len(said)), said))
        pictures = Pictures(device.format, output)
        _serve(Capture(device, pictures, reports, stall_s=options.stall_s), pictures.encoder)
    except CaptureFailed as error:
        return error.cause
    except EncoderFailed:
        return Cause.ENCODER
    return 0


def _described(device: CaptureDevice) -> str:
    chosen = device.format
    fields = f", {chosen.fields} fields" if chosen.fields else ""
    pixels = chosen.pixels or "JPEG"
    return f"{device.name}: {chosen.width}x{chosen.height} {pixels}{fields}"


def _serve(capture: Capture, encoder: H264Encoder) -> None:
    while True:
        with suppress(BlockingIOError):
            if not os.read(0, 4096):
                return
            encoder.request_keyframe()
        limit_cpu_time()
        capture.step()


if __name__ == "__main__":
    sys.exit(main())
