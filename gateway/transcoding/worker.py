"""The transcoding child: ``python -I -m gateway.transcoding.worker PARENT_PID CODEC KEY=VALUE...``.

Reads units from standard input, writes what becomes of each to standard output, and ends when its
input does. It is in its sandbox before the first unit comes; the one that lets the machine's own
program work (`gateway.transcoding.program_worker`) behind it.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from io import FileIO
from typing import BinaryIO

import av.subtitles  # loads late otherwise, when no file can be opened any more

from gateway.model.media import Codec
from gateway.rtp.codecs import coded_picture
from gateway.rtp.packet import Malformed
from gateway.rtp.payload import annex_b
from gateway.transcoding.encoder import EncoderFailed, H264Encoder
from gateway.transcoding.messages import (
    EXIT_ENCODER,
    EXIT_MALFORMED,
    INPUT_BYTES,
    Command,
    InputHeader,
    OutputHeader,
    Report,
    pack_report,
    parse_input_header,
    write_all,
)
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.pace import Pace, Verdict
from gateway.transcoding.pictures import DECODERS, Deinterlacer, PictureDecoder, Undecodable
from gateway.transcoding.program_command import PREFIX
from gateway.transcoding.program_worker import serve_with_program
from gateway.vision.pieces import split_pieces
from gateway.vision.pipe import MalformedMessage
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

MEMORY_BYTES = 384 * 1024 * 1024
"""RLIMIT_DATA. 17 pictures of 4096 x 2304 that H.265 may refer to take 240 MB."""

NICE = 4
"""Viewers of untouched streams go first; yet somebody watches this one, too."""

FAILURES = 250
"""Units in a row of which none can be decoded; then another decoder is tried: this child ends."""


class Transcoding:
    """Everything between a unit and the report about it.

    Args:
        codec: Of the units.
        output: What comes out.
        encoder: FFmpeg's name of the encoder.
    """

    def __init__(self, codec: Codec, output: OutputFormat, encoder: str) -> None:
        self._codec = codec
        self._decoder = PictureDecoder(codec, output.height)
        self._encoder = H264Encoder(encoder, output)
        self._pace = Pace(output.fps)
        self._encoded = 0

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._encoder.request_keyframe()

    def push(self, head: InputHeader, payloads: list[bytes], now_s: float) -> list[bytes]:
        """Return the reports about one unit, as bytes for the pipe.

        Raises:
            EncoderFailed: The encoder breaks.
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
    try:
        warm_up(chosen, output, encoder)
    except EncoderFailed:
        return EXIT_ENCODER
    transcoding = Transcoding(chosen, output, encoder)
    if not install_seccomp_filter():
        missing.append("calls")
    said = [" ".join(missing).encode()] if missing else []
    write_all(reports, pack_report(OutputHeader(Report.READY, nals=len(said)), said))
    return _serve(sys.stdin.buffer, reports, transcoding)


def _serve(commands: BinaryIO, reports: FileIO, transcoding: Transcoding) -> int:
    while len(raw := commands.read(INPUT_BYTES)) == INPUT_BYTES:
        try:
            head = parse_input_header(raw)
            body = commands.read(head.length)
            if len(body) < head.length:
                break
            if head.command is Command.KEYFRAME:
                transcoding.request_keyframe()
                continue
            payloads = split_pieces(body, head.payloads)
        except MalformedMessage:
            return EXIT_MALFORMED
        limit_cpu_time()
        try:
            ready = transcoding.push(head, payloads, time.monotonic())
        except EncoderFailed:
            return EXIT_ENCODER
        for report in ready:
            write_all(reports, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
