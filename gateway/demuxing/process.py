"""Starts, feeds, reads and ends one demuxing child. Loads no FFmpeg.

A child that has not read what was sent to it for `SILENCE_S` is given up; so is one that says what
it must not. Units that nobody has taken yet are bounded: behind `MOST_WAITING` the child waits.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from gateway.demuxing.messages import (
    ContainerFormat,
    Report,
    ReportHeader,
    ReportParser,
)
from gateway.model.errors import (
    CodecUnsupported,
    GatewayError,
    SourceStalled,
    SourceUnavailable,
)
from gateway.model.media import Codec
from gateway.model.reasons import Reason
from gateway.runtime.lateness import time_limit
from gateway.runtime.plain_text import printable
from gateway.vision.piped_child import ChildLost, PipedChild

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.demuxing.worker")
SILENCE_S = 5.0
MOST_WAITING = 64
CORRUPT_PAUSE_S = 30.0
PARK_S = 300.0

SHOWN: dict[ContainerFormat, str] = {
    "flv": "FLV",
    "mpegts": "MPEG-TS",
    "mp4": "fragmented MP4",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DemuxedUnit:
    """One picture of a container.

    Attributes:
        codec: Its codec.
        time_90k: When it is shown, in ticks of 90 kHz on the container's clock, which may jump.
        pieces: NAL units without start codes and padding, parameter sets of the container in front
            of keyframes; of JPEG and MPEG-4 the picture in one, of MPEG-4 with headers in front of
            the first. Never empty.
        skipped: Packets of the video left out so far: too large, without time, damaged.
    """

    codec: Codec
    time_90k: int
    pieces: list[bytes]
    skipped: int


class DemuxProcess:
    """One running child; `demuxing` makes it.

    Args:
        container_format: What it is made for.
    """

    def __init__(self, container_format: ContainerFormat) -> None:
        self._format = container_format
        self._child: PipedChild
        self._parser = ReportParser()
        self._units: deque[DemuxedUnit] = deque()  # `MOST_WAITING` and those of one read
        self._wakeup, self._writable = asyncio.Event(), asyncio.Event()
        self._error: GatewayError | None = None
        self._finishing = self._ended = self._paused = False

    @classmethod
    async def start(cls, container_format: ContainerFormat) -> DemuxProcess:
        """Start a child for *container_format* and return it once it is ready.

        Raises:
            SourceUnavailable: It could not be started or was not ready in time (`INTERNAL_ERROR`).
        """
        self = cls(container_format)
        try:
            self._child = await PipedChild.start(
                "demuxer",
                (*COMMAND, str(os.getpid()), container_format),
                on_bytes=self._on_bytes,
                on_writable=self._writable.set,
                on_lost=self._on_lost,
            )
            await self._child.until_ready()
        except ChildLost as error:
            raise SourceUnavailable(Reason.INTERNAL_ERROR, f"the demuxer {error}") from error
        log.debug("demuxer_started", pid=self.pid, format=container_format)
        return self

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    @property
    def waiting(self) -> int:
        """How many pictures nobody has taken yet."""
        return len(self._units)

    async def write(self, raw: bytes) -> None:
        """Send the next bytes of the container; returns once there is room for more.

        Raises:
            GatewayError: As `units`.
        """
        self._raise_error()
        if not raw:
            return
        self._writable.clear()
        self._child.write(raw)
        if not self._child.blocked:
            return
        try:
            async with time_limit(SILENCE_S):
                await self._writable.wait()
        except TimeoutError:
            self._child.lose(f"has not read for {SILENCE_S:g} s")
        self._raise_error()

    def finish(self) -> None:
        """Note that the container ends here: `units` ends behind the last of them."""
        self._finishing = True
        if self._error is None:
            self._child.close_input()

    def fail(self, error: GatewayError) -> None:
        """Make `units` raise *error*, behind those that are there already."""
        self._error = self._error or error
        self._wakeup.set()
        self._writable.set()

    async def units(self) -> AsyncGenerator[DemuxedUnit, None]:
        """Yield the pictures; ends behind `finish`.

        Raises:
            CodecUnsupported: There is no video of a codec that we take.
            SourceUnavailable: The bytes are not of the format (`CORRUPT`), or have made the child
                die or hang (the same).
            GatewayError: What `fail` was told.
        """
        while True:
            while self._units:
                yield self._units.popleft()
                if self._paused and not self._units:
                    self._paused = False
                    self._child.resume_reading()
            if self._finishing and self._ended:
                return
            self._raise_error()
            self._wakeup.clear()
            await self._wakeup.wait()

    async def stop(self) -> None:
        """End the child."""
        await self._child.stop(at_once=True)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _on_bytes(self, raw: bytes) -> None:
        for head, pieces in self._parser.feed(raw):
            if head.report is Report.READY:
                self._child.mark_ready(pieces)
            elif head.report is Report.UNIT:
                unit = DemuxedUnit(head.codec, head.time_90k, pieces, head.skipped)
                self._units.append(unit)
                self._wakeup.set()
            else:
                self.fail(self._end(head, pieces))
        if len(self._units) >= MOST_WAITING and not self._paused:
            self._paused = True
            self._child.pause_reading()

    def _on_lost(self) -> None:
        if self._finishing and self._error is None:
            self._ended = True
            self._wakeup.set()
            return
        detail = f"the demuxer {self._child.lost.result()}"
        self.fail(SourceUnavailable(Reason.CORRUPT, detail, pause_s=CORRUPT_PAUSE_S))

    def _end(self, head: ReportHeader, pieces: list[bytes]) -> GatewayError:
        """Return what the child's last report means."""
        name = SHOWN[self._format]
        if head.report is Report.NO_CONTAINER:
            return SourceUnavailable(
                Reason.CORRUPT, f"what comes is no {name}", pause_s=CORRUPT_PAUSE_S
            )
        if head.report is Report.CHANGED:
            return SourceStalled(Reason.SOURCE_ENDED, f"another stream begins within the {name}")
        detail = f"no video in the {name}"
        if head.report is Report.NO_CODEC:
            codec = printable(b"".join(pieces).decode("ascii", "replace")[:40])
            detail = f"the video in the {name} is {codec}; H.264, H.265, MPEG-4 and JPEG are taken"
        return CodecUnsupported(Reason.UNSUPPORTED_CODEC, detail, park_s=PARK_S)


@asynccontextmanager
async def demuxing(container_format: ContainerFormat) -> AsyncGenerator[DemuxProcess, None]:
    """Run a child until the block is left; raises as `DemuxProcess.start`."""
    process = await DemuxProcess.start(container_format)
    try:
        yield process
    finally:
        await asyncio.shield(process.stop())
