"""Starts, watches and ends the child that captures one device. Loads no FFmpeg."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

import structlog

from gateway.capture.options import REASONS, CaptureOptions, Cause
from gateway.model.errors import GatewayError, SourceRefused, SourceStalled, SourceUnavailable
from gateway.model.reasons import Reason
from gateway.runtime.lateness import Silence
from gateway.runtime.plain_text import printable
from gateway.transcoding.messages import (
    OutputHeader,
    Report,
    ReportParser,
    pack_keyframe_request,
)
from gateway.transcoding.output_format import OutputFormat
from gateway.vision.pipe import MalformedMessage
from gateway.vision.piped_child import ChildLost, PipedChild

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.capture.worker")
SILENCE_S = 5.0
"""It says something every second; a call into a driver that does not return ends that."""
LOOK_EVERY_S = 0.5

_LASTING = (Cause.DENIED, Cause.FORMAT)
_PARK_S = 60.0
"""A device that may not be opened, or cannot do what is asked, is looked at again after this."""

log = structlog.get_logger(__name__)


class CaptureProcess:
    """One running child, which sends pictures without being asked.

    Args:
        options: What is captured.
        on_ready: Called with this once its device is open, before the first report.
        on_report: Called with each report of the child and its NAL units.

    Attributes:
        device: What the device calls itself, and what it sends; empty before it is ready.
    """

    def __init__(
        self,
        options: CaptureOptions,
        *,
        on_ready: Callable[[CaptureProcess], None] = lambda _: None,
        on_report: Callable[[OutputHeader, list[bytes]], None],
    ) -> None:
        self._child: PipedChild
        self._options = options
        self._on_ready = on_ready
        self._on_report = on_report
        self._parser = ReportParser()
        self.device = ""

    @classmethod
    async def start(
        cls,
        options: CaptureOptions,
        output: OutputFormat,
        *,
        on_ready: Callable[[CaptureProcess], None] = lambda _: None,
        on_report: Callable[[OutputHeader, list[bytes]], None],
    ) -> CaptureProcess:
        """Start a child and return it once its device is open.

        Args:
            options: What is captured.
            output: What comes out.
            on_ready: Called with it once its device is open, before the first report, which may
                come in the same bytes and has the only keyframe for a while.
            on_report: Called with each report of the child and its NAL units.

        Raises:
            GatewayError: The device cannot be captured, or the child does not begin.
        """
        self = cls(options, on_ready=on_ready, on_report=on_report)
        arguments = [*COMMAND, str(os.getpid()), *options.to_arguments(), "--"]
        arguments += output.to_arguments()
        try:
            self._child = await PipedChild.start(
                "capture",
                arguments,
                on_bytes=self._on_bytes,
                on_writable=lambda: None,
                on_lost=lambda: None,
            )
        except ChildLost as error:
            raise SourceUnavailable(Reason.INTERNAL_ERROR, f"the child {error}") from error
        try:
            await self._child.until_ready()
        except ChildLost as error:
            raise self._failure(str(error)) from error
        log.debug("capture_started", pid=self._child.pid, device=options.device, sends=self.device)
        return self

    async def run(self) -> None:
        """Watch the child for ever.

        Raises:
            GatewayError: It has ended, or hangs; with what is wrong with the device.
        """
        try:
            await self._watch()
        except ChildLost as error:
            await asyncio.shield(self.stop())
            raise self._failure(str(error)) from error

    async def stop(self) -> None:
        """End the child; see `PipedChild.stop`."""
        await self._child.stop()

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe; forgotten while the pipe is full."""
        if not self._child.blocked and not self._child.lost.done():
            self._child.write(pack_keyframe_request())

    async def _watch(self) -> None:
        silence = Silence(asyncio.get_running_loop().time)
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    raise ChildLost(await asyncio.shield(self._child.lost))
            except TimeoutError:
                silent_s = silence.look(self._child.heard_s, after_s=LOOK_EVERY_S)
            if silent_s > SILENCE_S:
                raise ChildLost(f"has said nothing for {silent_s:.0f} s")

    def _failure(self, said: str) -> GatewayError:
        """Return what the child's end means, by its exit code, else by what was *said* of it."""
        code, device = self._child.exit_code, self._options.device
        if code is None or code not in tuple(Cause):
            return SourceUnavailable(Reason.STALLED, f"{device}: what captures it {said}")
        cause = Cause(code)
        reason, text = REASONS[cause]
        detail = f"{device}: {text}"
        if cause in _LASTING:
            return SourceRefused(reason, detail, park_s=_PARK_S)
        if cause is Cause.SILENT:
            return SourceStalled(reason, detail)
        return SourceUnavailable(reason, detail)

    def _on_bytes(self, raw: bytes) -> None:
        for head, nals in self._parser.feed(raw):
            if head.report is Report.READY:
                self._on_child_ready(nals)
            elif not self.device:
                raise MalformedMessage("a picture before its beginning")
            else:
                self._on_report(head, nals)

    def _on_child_ready(self, nals: list[bytes]) -> None:
        if not nals:
            raise MalformedMessage("a beginning that says nothing")
        self.device = printable(nals[0][:160].decode("ascii", "replace"))
        self._child.mark_ready(nals[1:])
        self._on_ready(self)
