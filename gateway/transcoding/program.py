"""The machine's `ffmpeg` program, running: access units in, H.264 out.

In the child process only, which muxes and demuxes what goes through both pipes, and is itself in
its sandbox by then; the program has limits of its own (`gateway.vision.sandbox.confine_program`).
"""

from __future__ import annotations

import os
import re
import select
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError

from gateway.model.media import Codec
from gateway.rtp.video_info import VideoInfo
from gateway.transcoding.encoder import CompleteUnits, EncoderFailed
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.program_command import (
    FORMATS,
    NUT_OPTIONS,
    PROBE_OPTIONS,
    TICKS_HZ,
    command,
    to_ticks,
    to_time_90k,
)
from gateway.vision.sandbox import confine_program

READ_BYTES = 1 << 16
MOST_WAITING_BYTES = 8 * 1024 * 1024
"""What has come out and has not been looked at; 30 s of what comes out."""
FIRST_90K = 1 << 33
"""Added to all times: none may be below the counter that stands in for decoding times."""
UNANSWERED = 250
"""Pictures in a row of which nothing comes: it will not get better."""
MOST_SAID_BYTES = 1 << 16
_AFTER_PICTURE_BYTES = 4
"""What may stand behind a picture, and be less than another one: tables of side data, empty."""
_WHO = re.compile(r"^\[\S+ @ 0x[0-9a-f]+\] ")
"""Which of its objects complains, and where in its memory."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}


@dataclass
class _Out:
    """What the muxer writes into: the program's input, without ever waiting for it alone."""

    write_fd: int
    output: _In

    def write(self, raw: bytes) -> int:
        """Write all of *raw*; what the program says meanwhile is kept."""
        left = memoryview(raw)
        waiting = select.poll()
        waiting.register(self.write_fd, select.POLLOUT)
        waiting.register(self.output.read_fd, select.POLLIN)
        while left:
            ready = dict(waiting.poll())
            if self.output.read_fd in ready:
                self.output.fill()
                if self.output.ended:
                    raise BrokenPipeError("it has ended")
            if self.write_fd in ready:
                with suppress(BlockingIOError):
                    left = left[os.write(self.write_fd, left) :]
        return len(raw)


@dataclass
class _In:
    """What the demuxer reads from: the program's output.

    Attributes:
        taken: Bytes that the demuxer has had.
        waiting: What it has not had yet.
        ended: Whether the program has.
    """

    read_fd: int
    taken: int = 0
    ended: bool = False
    waiting: bytearray = field(default_factory=bytearray)

    def fill(self) -> None:
        """Take what is there, and wait until something is. Raises OSError if it is too much."""
        raw = os.read(self.read_fd, READ_BYTES)
        self.ended = not raw
        self.waiting += raw
        if len(self.waiting) > MOST_WAITING_BYTES:
            raise OSError("it says more than we read")

    def read(self, most: int) -> bytes:
        """Return some bytes, at most *most*; none: the program has ended."""
        if not self.waiting:
            self.fill()
        raw = bytes(self.waiting[:most])
        del self.waiting[:most]
        self.taken += len(raw)
        return raw

    def ready(self) -> bool:
        """Return whether something is there."""
        if self.waiting:
            return True
        poll = select.poll()
        poll.register(self.read_fd, select.POLLIN)
        return bool(poll.poll(0))


class Program:
    """One running program. To be made before the sandbox closes.

    Args:
        name: See `gateway.transcoding.program_command`.
        codec: Of the units.
        picture: What they show; another size or shape needs another program.
        output: What comes out.
        nice: By how much others go first.
        say: Where it complains; it must be read, or else be nobody's.

    Attributes:
        missing: Steps of its confinement that the system has refused.

    Raises:
        EncoderFailed: It cannot be started.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        picture: VideoInfo,
        output: OutputFormat,
        *,
        nice: int = 0,
        say: int = subprocess.DEVNULL,
    ) -> None:
        arguments = command(name, codec, picture, output)
        self.missing, self._process = _start(arguments, nice, say)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        write_fd, self.read_fd = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(write_fd, False)
        self._in = _In(self.read_fd)
        self._usage = _open_usage(self._process.pid)
        self._units = CompleteUnits()
        self._toggle = False
        self._sent = self._unanswered = self._read_to = 0
        self._demuxer: InputContainer | None = None
        self._packets: Iterator[av.Packet[av.VideoStream]] = iter(())
        self._muxer, self._stream = _muxer(_Out(write_fd, self._in), codec, picture, output)

    @property
    def cpu_s(self) -> float:
        """Processor time that it has taken; 0 where the system does not tell."""
        if self._usage < 0:
            return 0.0
        with suppress(OSError, ValueError, IndexError):
            os.lseek(self._usage, 0, os.SEEK_SET)
            fields = os.read(self._usage, 1024).rpartition(b")")[2].split()
            return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        return 0.0

    def push(
        self, coded: bytes, time_90k: int, *, keyframe: bool, wanted: bool, skip: bool
    ) -> None:
        """Give it one access unit.

        Args:
            coded: As a decoder takes it.
            time_90k: When it is shown.
            keyframe: Whether it is one.
            wanted: Whether its picture is to become one.
            skip: Whether its picture is only decoded.

        Raises:
            EncoderFailed: It has ended, or gives nothing.
        """
        self._toggle ^= wanted and self._sent > 0
        packet = av.Packet(coded)
        packet.stream = self._stream
        packet.time_base = Fraction(1, TICKS_HZ)
        packet.pts = to_ticks(FIRST_90K + time_90k, toggle=self._toggle, skip=skip)
        packet.dts = self._sent
        packet.is_keyframe = keyframe
        self._sent += 1
        self._unanswered += not skip
        if self._unanswered > UNANSWERED:
            raise EncoderFailed("the program gives no pictures")
        try:
            self._muxer.mux(packet)
        except (FFmpegError, OSError, ValueError) as error:
            raise EncoderFailed(f"the program takes nothing more ({error})") from error

    def take(self) -> Iterator[tuple[list[bytes], int, bool]]:
        """Yield what has come out: NAL units, time, and whether it is a keyframe. Never waits.

        Raises:
            EncoderFailed: It has ended, or says what it must not.
        """
        while self._in.ready() or self._in.taken - self._read_to > _AFTER_PICTURE_BYTES:
            try:
                packet = self._next()
            except (FFmpegError, OSError, ValueError, StopIteration) as error:
                raise EncoderFailed(f"what the program says cannot be read ({error})") from error
            self._read_to = (packet.pos or 0) + packet.size
            if packet.pts is None:
                raise EncoderFailed("the program gives a picture without its time")
            self._unanswered = 0
            nals, keyframe = self._units.split(bytes(packet), self._extradata())
            yield nals, to_time_90k(packet.pts) - FIRST_90K, keyframe

    def _next(self) -> av.Packet[av.VideoStream]:
        if self._demuxer is None:
            self._demuxer = av.open(self._in, "r", format="nut", options=dict(PROBE_OPTIONS))
            self._packets = self._demuxer.demux(self._demuxer.streams.video[0])
        return next(self._packets)

    def _extradata(self) -> bytes | None:
        assert self._demuxer is not None
        return self._demuxer.streams.video[0].codec_context.extradata

    def close(self) -> str:
        """End it; return its complaints, where it has somebody to complain to.

        One that hangs is killed with whoever has started it (`confine_program`).
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        said = process.stderr.read(MOST_SAID_BYTES) if process.stderr is not None else b""
        process.wait()
        if self._usage >= 0:
            os.close(self._usage)
        lines = map(str.strip, said.decode("utf-8", "replace").split("\n"))
        return "; ".join(_WHO.sub("", line) for line in lines if line)


def _start(arguments: list[str], nice: int, say: int) -> tuple[list[str], subprocess.Popen[bytes]]:
    """Start the program, confined; return what of that the system has refused, and the process."""
    told, tell = os.pipe()

    def restrict() -> None:
        os.write(tell, " ".join(confine_program(arguments[0], nice=nice)).encode())

    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=say,
            env=_ENVIRONMENT,
            cwd="/",
            bufsize=0,
            preexec_fn=restrict,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise EncoderFailed(f"{arguments[0]} cannot be started: {said}") from error
    finally:
        os.close(tell)
        missing = os.read(told, 256).decode().split()
        os.close(told)
    return missing, process


def _open_usage(pid: int) -> int:
    """Open what the kernel says of process *pid*, to be read later; -1: it says nothing."""
    try:
        return os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _muxer(
    file: object, codec: Codec, picture: VideoInfo, output: OutputFormat
) -> tuple[OutputContainer, av.VideoStream]:
    muxer = av.open(file, "w", format="nut", options=dict(NUT_OPTIONS))
    stream = muxer.add_mux_stream(
        FORMATS[codec],
        rate=Fraction(output.fps).limit_denominator(1000),
        width=picture.width,
        height=picture.height,
        time_base=Fraction(1, TICKS_HZ),
    )
    assert isinstance(stream, av.VideoStream)
    return muxer, stream


def warm_up() -> None:
    """Mux and demux a picture, so that the library has loaded its late parts."""
    nothing = VideoInfo(16, 16, "", 0, "", None, interlaced=False)
    file = BytesIO()
    muxer, stream = _muxer(file, "mjpeg", nothing, OutputFormat())
    packet = av.Packet(bytes(100))
    packet.stream, packet.pts, packet.dts = stream, 4, 0
    packet.time_base = Fraction(1, TICKS_HZ)
    muxer.mux(packet)
    with suppress(FFmpegError):
        demuxer = av.open(BytesIO(file.getvalue()), "r", format="nut", options=dict(PROBE_OPTIONS))
        list(demuxer.demux(demuxer.streams.video[0]))
