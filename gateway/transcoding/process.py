"""Starts, feeds, watches and ends one transcoding child. Loads no FFmpeg.

A child that answers to nothing for `SILENCE_S` is killed; so is one that says what it must not.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

import structlog

from gateway.model.media import AccessUnit, Codec
from gateway.runtime.lateness import Silence
from gateway.transcoding.messages import (
    MAX_INPUT_BYTES,
    MAX_INPUT_PAYLOADS,
    Command,
    InputHeader,
    OutputHeader,
    Report,
    ReportParser,
    pack_keyframe_request,
    pack_unit,
)
from gateway.transcoding.output_format import OutputFormat
from gateway.vision.pipe import MalformedMessage
from gateway.vision.piped_child import ChildLost, PipedChild
from gateway.vision.start_patience import PATIENCE

COMMAND = (sys.executable, "-I", "-B", "-m", "gateway.transcoding.worker")
SILENCE_S = 5.0
"""A keyframe of 4K takes 0.2 s on a desktop and ten times that on the smallest board."""
LOOK_EVERY_S = 0.5

_SERIALS = 1 << 32

log = structlog.get_logger(__name__)


class TranscodingProcess:
    """One running child.

    Args:
        on_report: Called with each report of the child and its NAL units.

    Attributes:
        last: The newest report about a unit.
        changed: Whether it has ended because the camera's picture is not what it was made for.
    """

    def __init__(self, on_report: Callable[[OutputHeader, list[bytes]], None]) -> None:
        self._child: PipedChild
        self._on_report = on_report
        self._parser = ReportParser()
        self._serial = 0
        self._gap = self._open = False
        self._idle_s = 0.0  # until when it had nothing to answer
        self.changed = False
        self.last = OutputHeader(Report.PROGRESS)

    @classmethod
    async def start(
        cls,
        codec: Codec,
        output: OutputFormat,
        encoder: str,
        *,
        on_report: Callable[[OutputHeader, list[bytes]], None],
        on_ready: Callable[[], None],
    ) -> TranscodingProcess:
        """Start a child for *codec* and return it once it is ready.

        Args:
            codec: Of the units.
            output: What comes out.
            encoder: FFmpeg's name of the encoder.
            on_report: Called with each report of the child and its NAL units.
            on_ready: Called when `send`, having returned False, can take units again.

        Raises:
            ChildLost: It could not be started or was not ready in time.
        """
        self = cls(on_report)
        self._child = await PipedChild.start(
            "transcoder",
            (*COMMAND, str(os.getpid()), codec, encoder, *output.to_arguments()),
            on_bytes=self._on_bytes,
            on_writable=on_ready,
            on_lost=lambda: None,
        )
        await self._child.until_ready(PATIENCE)
        log.debug("transcoder_started", pid=self.pid, codec=codec, encoder=encoder)
        return self

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    def send(self, unit: AccessUnit, time_90k: int, *, cached: bool) -> bool:
        """Send *unit* to the child, shown at *time_90k*; False: not now, `on_ready` says when."""
        if self._child.blocked:
            return False
        large = unit.size_bytes > MAX_INPUT_BYTES or len(unit.payloads) > MAX_INPUT_PAYLOADS
        self._gap = large or (self._gap and not unit.keyframe)
        if self._gap:
            return True  # what follows refers to what it has not got
        if self._serial == self.last.serial:
            self._idle_s = self._now()  # it had nothing to answer
        self._serial = (self._serial + 1) % _SERIALS
        head = InputHeader(
            Command.UNIT,
            unit.keyframe,
            cached,
            len(unit.payloads),
            0,
            self._serial,
            time_90k,
            unit.arrived_s,
        )
        self._child.write(pack_unit(head, unit.payloads))
        return True

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe; forgotten while the pipe is full."""
        if not self._child.blocked:
            self._child.write(pack_keyframe_request())

    async def watch(self) -> None:
        """Watch the child until it is lost.

        Raises:
            ChildLost: With what is wrong. The child has not been ended yet.
        """
        silence = Silence(self._now)
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    raise ChildLost(await asyncio.shield(self._child.lost))
            except TimeoutError:
                pass
            silent_s = silence.look(max(self._child.heard_s, self._idle_s), after_s=LOOK_EVERY_S)
            if self._serial != self.last.serial and silent_s > SILENCE_S:
                raise ChildLost(f"has not answered for {silent_s:.0f} s")

    async def stop(self) -> None:
        """End the child; see `PipedChild.stop`."""
        await self._child.stop()

    def lose(self, why: str) -> None:
        """Give the child up: `watch` raises with *why*."""
        self._child.lose(why)

    def _on_bytes(self, raw: bytes) -> None:
        for head, nals in self._parser.feed(raw):
            match head.report:
                case Report.READY:
                    self._child.mark_ready(nals)
                case Report.OPEN:
                    self._on_open(nals)
                case Report.CHANGED:
                    self.changed = True
                    self.lose("begins anew: the camera's picture has changed")
                case _:
                    self.last = head
                    self._on_report(head, nals)

    def _on_open(self, nals: list[bytes]) -> None:
        """Log the steps of its sandbox, and of its program's, that the system has refused."""
        if self._open:
            raise MalformedMessage("a second opening")
        self._open = True
        if nals:
            missing = nals[0].decode("ascii", "replace")[:200]
            log.warning("child_sandbox_incomplete", child="transcoder", missing=missing)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
