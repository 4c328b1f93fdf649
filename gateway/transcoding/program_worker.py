"""The transcoding child whose work the machine's own `ffmpeg` does (`gateway.transcoding.program`).

It knows the size of the pictures with the first keyframe only, and needs it to start the program;
so it closes its own sandbox behind that unit. Until then it does nothing but read parameter sets,
in Python. When the camera's picture changes it ends, and the next child begins with the new one.
"""

from __future__ import annotations

import resource
import select
import time
from contextlib import suppress
from io import FileIO, RawIOBase
from typing import BinaryIO

import av

from gateway.model.media import Codec
from gateway.rtp.codecs import coded_picture
from gateway.rtp.packet import Malformed
from gateway.rtp.parameter_sets import parse_picture
from gateway.rtp.video_info import VideoInfo
from gateway.transcoding.encoder import EncoderFailed
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
)
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.pace import Pace, Verdict
from gateway.transcoding.program import Program, warm_up
from gateway.vision.pieces import split_pieces
from gateway.vision.pipe import MalformedMessage, write_all
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

NICE = 4
"""Viewers of untouched streams go first; yet somebody watches this one, too."""


class PictureChanged(Exception):
    """The camera sends another picture than that for which the program was started."""


class ProgramTranscoding:
    """Everything between a unit and the reports about it.

    Args:
        codec: Of the units.
        picture: What the first keyframe shows.
        program: That runs.
        output: What comes out.
    """

    def __init__(
        self, codec: Codec, picture: VideoInfo, program: Program, output: OutputFormat
    ) -> None:
        self._codec = codec
        self._picture = picture
        self._program = program
        self._pace = Pace(output.fps)
        self._gop_90k = round(output.gop_s * 90_000)
        self._keyframe_90k: int | None = None
        self._wanted = True
        self._newest_90k = -1
        self._serial = 0
        self._pushed = self._encoded = 0

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._wanted = True

    def push(self, head: InputHeader, payloads: list[bytes], now_s: float) -> bytes:
        """Give one unit to the program; return a report that it has been taken.

        Raises:
            EncoderFailed: The program has ended.
            PictureChanged: It cannot go on with this unit.
        """
        self._serial = head.serial
        if head.keyframe:
            now_shown = parse_picture(self._codec, tuple(payloads))
            if now_shown is not None and now_shown != self._picture:
                raise PictureChanged
        verdict = self._pace.judge(
            keyframe=head.keyframe,
            cached=head.cached,
            late_s=now_s - head.arrived_s,
            now_s=now_s,
        )
        if verdict is not Verdict.DROP:
            with suppress(Malformed):
                coded = coded_picture(self._codec, payloads)
                shown = verdict is Verdict.ENCODE and self._is_due(head.time_90k)
                self._program.push(
                    coded,
                    head.time_90k,
                    keyframe=head.keyframe,
                    wanted=shown and self._is_keyframe_due(head.time_90k),
                    skip=not shown,
                )
                self._pushed += 1
        return self._report(Report.PROGRESS)

    def take(self) -> list[bytes]:
        """Return reports about what has come out. Raises EncoderFailed."""
        reports = []
        for nals, time_90k, keyframe in self._program.take():
            self._encoded += 1
            reports.append(self._report(Report.UNIT, nals, time_90k, keyframe=keyframe))
        return reports

    def _is_due(self, time_90k: int) -> bool:
        """Return whether a picture is encoded; here units come in the order of decoding."""
        if time_90k < self._newest_90k:
            return self._pace.divisor == 1
        self._newest_90k = time_90k
        return self._pace.is_due(time_90k)

    def _is_keyframe_due(self, time_90k: int) -> bool:
        since = None if self._keyframe_90k is None else time_90k - self._keyframe_90k
        if not self._wanted and since is not None and since < self._gop_90k:
            return False
        self._keyframe_90k, self._wanted = time_90k, False
        return True

    def _report(
        self,
        report: Report,
        nals: list[bytes] | None = None,
        time_90k: int = 0,
        *,
        keyframe: bool = False,
    ) -> bytes:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return pack_report(
            OutputHeader(
                report,
                keyframe,
                len(nals or ()),
                self._serial,
                time_90k,
                self._pushed,
                self._encoded,
                self._pace.dropped,
                self._pace.divisor,
                self._picture.width,
                self._picture.height,
                used.ru_utime + used.ru_stime + self._program.cpu_s,
            ),
            nals or (),
        )


class Commands:
    """What the gateway sends.

    Args:
        pipe: Where it comes.
    """

    def __init__(self, pipe: BinaryIO | RawIOBase) -> None:
        self._pipe = pipe

    def next(self) -> tuple[InputHeader, list[bytes]] | None:
        """Return the next; None: there will be no more. Raises MalformedMessage."""
        raw = self._exactly(INPUT_BYTES)
        if raw is None:
            return None
        head = parse_input_header(raw)
        body = self._exactly(head.length)
        return None if body is None else (head, split_pieces(body, head.payloads))

    def _exactly(self, count: int) -> bytes | None:
        pieces: list[bytes] = []
        while count:
            piece = self._pipe.read(count)
            if not piece:
                return None
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)


def serve_with_program(
    parent: int, codec: Codec, name: str, output: OutputFormat, reports: FileIO
) -> int:
    """Serve until the gateway closes the pipe; return the exit code."""
    av.logging.set_level(None)
    warm_up()
    write_all(reports, pack_report(OutputHeader(Report.READY)))
    commands = Commands(FileIO(0, "rb", closefd=False))
    try:
        first = first_keyframe(codec, commands, reports)
        if first is None:
            return 0
        head, payloads, picture = first
        program = Program(name, codec, picture, output, nice=NICE)
        missing = enter_sandbox(parent, nice=0)
        if not install_seccomp_filter(waiting=True):
            missing.append("calls")
        missing += [f"program:{each}" for each in program.missing]
        text = [" ".join(missing).encode()] if missing else []
        write_all(reports, pack_report(OutputHeader(Report.OPEN, nals=len(text)), text))
        transcoding = ProgramTranscoding(codec, picture, program, output)
        write_all(reports, transcoding.push(head, payloads, time.monotonic()))
        _serve(commands, reports, transcoding, program)
        program.close()
    except MalformedMessage:
        return EXIT_MALFORMED
    except EncoderFailed:
        return EXIT_ENCODER
    except PictureChanged:
        write_all(reports, pack_report(OutputHeader(Report.CHANGED)))
    return 0


def first_keyframe(
    codec: Codec, commands: Commands, reports: FileIO
) -> tuple[InputHeader, list[bytes], VideoInfo] | None:
    """Return the first keyframe and what it shows; None: there will be none."""
    while (command := commands.next()) is not None:
        head, payloads = command
        if head.command is Command.KEYFRAME:
            continue
        picture = parse_picture(codec, tuple(payloads)) if head.keyframe else None
        if picture is not None and not picture.oversized:
            return head, payloads, picture
        write_all(reports, pack_report(OutputHeader(Report.PROGRESS, serial=head.serial)))
    return None


def _serve(
    commands: Commands, reports: FileIO, transcoding: ProgramTranscoding, program: Program
) -> None:
    """Take units and pictures, whichever comes, until there are no more units."""
    waiting = select.poll()
    for each in (0, program.read_fd):
        waiting.register(each, select.POLLIN)
    while True:
        ready = dict(waiting.poll())
        for report in transcoding.take():
            write_all(reports, report)
        if 0 not in ready:
            continue
        command = commands.next()
        if command is None:
            return
        head, payloads = command
        limit_cpu_time()
        if head.command is Command.KEYFRAME:
            transcoding.request_keyframe()
            continue
        write_all(reports, transcoding.push(head, payloads, time.monotonic()))
