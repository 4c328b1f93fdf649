"""The transcoding child: ``python -I -m gateway.transcoding.worker PARENT_PID CODEC KEY=VALUE...``.

Reads units from standard input, writes what becomes of each to standard output, and ends when its
input does. It is in its sandbox before the first unit comes; with an encoder that is a device, and
where the machine's own program works (`gateway.transcoding.program_worker`), behind the first
keyframe, of which only the parameter sets have been read by then.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from fractions import Fraction
from io import FileIO

import av.subtitles  # loads late otherwise, when no file can be opened any more

from gateway.model.media import Codec
from gateway.rtp.codecs import coded_picture
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import annex_b
from gateway.transcoding.encoder import EncoderFailed, H264Encoder, SizeChanged
from gateway.transcoding.messages import (
    EXIT_ENCODER,
    EXIT_MALFORMED,
    Command,
    InputHeader,
    OutputHeader,
    Report,
    pack_report,
)
from gateway.transcoding.output_format import OutputFormat, output_size
from gateway.transcoding.pace import Pace, Verdict
from gateway.transcoding.pictures import Deinterlacer, PictureDecoder, Undecodable
from gateway.transcoding.program_command import PREFIX
from gateway.transcoding.program_worker import NICE, Commands, first_keyframe, serve_with_program
from gateway.vision.ffmpeg_input import DECODERS
from gateway.vision.pipe import MalformedMessage, write_all
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

MEMORY_BYTES = 384 * 1024 * 1024
"""RLIMIT_DATA. 17 pictures of 4096 x 2304 that H.265 may refer to take 240 MB."""

DEVICE_ENCODERS = frozenset(("h264_v4l2m2m",))
"""Those that open a device of the board themselves, and go on speaking to it."""


class Transcoding:
    """Everything between a unit and the report about it.

    Args:
        codec: Of the units.
        output: What comes out.
        encoder: FFmpeg's name of the encoder.
        size: For which it is opened at once, to stay so; None: for what comes.

    Raises:
        EncoderFailed: It does not open.
    """

    def __init__(
        self,
        codec: Codec,
        output: OutputFormat,
        encoder: str,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._codec = codec
        self._decoder = PictureDecoder(codec, output.height)
        self._encoder = H264Encoder(encoder, output)
        if size is not None:
            self._encoder.open(*size)
        self._pace = Pace(output.fps)
        self._encoded = 0

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._encoder.request_keyframe()

    def push(self, head: InputHeader, payloads: list[bytes], now_s: float) -> list[bytes]:
        """Return the reports about one unit, as bytes for the pipe.

        Raises:
            EncoderFailed: The encoder breaks.
            SizeChanged: It cannot take this size.
        """
        late_s = now_s - head.arrived_s
        verdict = self._pace.judge(
            keyframe=head.keyframe,
            cached=head.cached,
            late_s=late_s,
            now_s=now_s,
        )
        reports: list[bytes] = []
        if verdict is not Verdict.DROP:
            with suppress(Undecodable, Malformed):
                coded = self._coded(payloads)
                for frame in self._decoder.decode(coded, head.time_90k):
                    if verdict is Verdict.ENCODE and self._pace.is_due(frame.pts or 0):
                        scaled = self._decoder.scale(frame)
                        for nals, time_90k, keyframe in self._encoder.encode(scaled):
                            self._encoded += 1
                            reports.append(
                                self._report(Report.UNIT, head, nals, time_90k, keyframe)
                            )
        return reports or [self._report(Report.PROGRESS, head)]

    def _coded(self, payloads: list[bytes]) -> bytes:
        return coded_picture(self._codec, payloads)

    def _report(
        self,
        report: Report,
        head: InputHeader,
        nals: list[bytes] | None = None,
        time_90k: int = 0,
        keyframe: bool = False,
    ) -> bytes:
        width, height = self._encoder.size
        used = resource.getrusage(resource.RUSAGE_SELF)
        return pack_report(
            OutputHeader(
                report,
                keyframe,
                len(nals or ()),
                head.serial,
                time_90k,
                self._decoder.decoded,
                self._encoded,
                self._pace.dropped,
                self._pace.divisor,
                width,
                height,
                used.ru_utime + used.ru_stime,
            ),
            nals or (),
        )


def warm_up(codec: Codec, output: OutputFormat, encoder: str) -> None:
    """Run every step once, so that libraries load their late parts before the sandbox closes.

    Raises:
        EncoderFailed: The encoder does not open.
    """
    frame = av.VideoFrame(64, 48, "yuv420p")
    frame.pts = 0
    pictures = PictureDecoder("h264", output.height)
    trial = H264Encoder(encoder, output)
    for nals, _, _ in trial.encode(pictures.scale(frame)):
        with suppress(Undecodable):
            list(pictures.decode(annex_b(nals), 0))
    list(Deinterlacer(frame).push(frame))
    with suppress(Undecodable):
        list(PictureDecoder(codec, output.height).decode(b"\0\0\0\1\x40", 0))


def main() -> int:
    """Serve until the gateway closes the pipe; return the exit code."""
    reports = FileIO(os.dup(1), "wb")
    os.dup2(2, 1)  # prints of libraries must not get between the reports
    parent, codec, encoder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    output = OutputFormat.from_arguments(sys.argv[4:])
    chosen: Codec = next(each for each in DECODERS if each == codec)
    if encoder.startswith(PREFIX):
        return serve_with_program(parent, chosen, encoder, output, reports)
    missing = enter_sandbox(parent, memory_bytes=MEMORY_BYTES, nice=NICE)
    limit_cpu_time()
    av.logging.set_level(None)
    commands = Commands(sys.stdin.buffer)
    try:
        if encoder in DEVICE_ENCODERS:
            return _serve_with_device(chosen, encoder, output, commands, reports, missing)
        warm_up(chosen, output, encoder)
        transcoding = Transcoding(chosen, output, encoder)
        if not install_seccomp_filter():
            missing.append("calls")
        write_all(reports, _told(Report.READY, missing))
        _serve(commands, reports, transcoding)
    except EncoderFailed:
        return EXIT_ENCODER
    except MalformedMessage:
        return EXIT_MALFORMED
    return 0


def _serve_with_device(
    codec: Codec,
    encoder: str,
    output: OutputFormat,
    commands: Commands,
    reports: FileIO,
    missing: list[str],
) -> int:
    """Serve with an encoder that is opened before the sandbox closes; return the exit code.

    Until the first keyframe has come, whose size it needs, nothing is decoded.
    """
    warm_up(codec, output, "libx264")
    write_all(reports, _told(Report.READY, []))
    first = first_keyframe(codec, commands, reports)
    if first is None:
        return 0
    head, payloads, picture = first
    aspect = Fraction(*picture.pixel_aspect) if picture.pixel_aspect else None
    size = output_size(picture.width, picture.height, aspect, output.height)
    transcoding = Transcoding(codec, output, encoder, size)
    if not install_seccomp_filter(devices=True):
        missing.append("calls")
    write_all(reports, _told(Report.OPEN, missing))
    try:
        for report in transcoding.push(head, payloads, time.monotonic()):
            write_all(reports, report)
        _serve(commands, reports, transcoding)
    except SizeChanged:
        write_all(reports, pack_report(OutputHeader(Report.CHANGED)))
    return 0


def _told(report: Report, missing: list[str]) -> bytes:
    said = [" ".join(missing).encode()] if missing else []
    return pack_report(OutputHeader(report, nals=len(said)), said)


def _serve(commands: Commands, reports: FileIO, transcoding: Transcoding) -> None:
    """Serve until there are no more units. Raises what reading and encoding do."""
    while (command := commands.next()) is not None:
        head, payloads = command
        if head.command is Command.KEYFRAME:
            transcoding.request_keyframe()
            continue
        limit_cpu_time()
        for report in transcoding.push(head, payloads, time.monotonic()):
            write_all(reports, report)


if __name__ == "__main__":
    sys.exit(main())
