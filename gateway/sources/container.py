"""A camera whose video comes in a container: its bytes through a demuxing child into a sink.

Who fetches the bytes (HTTP, UDP, RTMP, HLS) implements `ContainerStream`; all else is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from gateway.demuxing.messages import ContainerFormat
from gateway.demuxing.process import DemuxedUnit, DemuxProcess, demuxing
from gateway.model.errors import GatewayError, SourceStalled
from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.ports import Clock, Sink
from gateway.rtsp.budget import CameraBudget
from gateway.sources.container_units import ContainerUnits
from gateway.sources.timeline import Timeline


class ContainerStream(Protocol):
    """The bytes of a container, as a camera sends them."""

    @property
    def format(self) -> ContainerFormat:
        """Which container it is."""
        ...

    @property
    def budget(self) -> CameraBudget:
        """What the camera may cost; `receive` charges its bytes and reads to it."""
        ...

    def receive(self) -> AsyncGenerator[bytes, None]:
        """Yield the container from its beginning, as it comes; ends where it ends.

        Raises:
            GatewayError: The camera is silent, has hung up, or sends too much.
        """
        ...


class ContainerReader:
    """Pulls the containers of one camera, one after the other.

    Args:
        counters: Where all is counted.
        payload_bytes: Largest payload to deliver.
        stall_s: How long no picture may come out while bytes come.
        clock: Monotonic.
        timeline: Of the camera; None: one of its own.
    """

    def __init__(
        self,
        counters: SourceCounters,
        *,
        payload_bytes: int,
        stall_s: float,
        clock: Clock,
        timeline: Timeline | None = None,
    ) -> None:
        self._counters = counters
        self._payload_bytes = payload_bytes
        self._stall_s = stall_s
        self._clock = clock
        self._timeline = timeline or Timeline(counters)
        self._unit_s = 0.0  # when the last picture came out

    async def run(self, stream: ContainerStream, sink: Sink) -> None:
        """Deliver *stream* into *sink* until it ends or breaks.

        Raises:
            SourceStalled: It has ended (`SOURCE_ENDED`), or no picture comes out of what comes
                (`CORRUPT`).
            GatewayError: As `ContainerStream.receive` and `DemuxProcess.units`.
        """
        self._counters.sessions += 1
        self._timeline.begin_session()
        opened = False

        def deliver(video: VideoFormat, units: list[AccessUnit]) -> None:
            nonlocal opened
            if not opened:
                sink.on_opened(video)
                opened = True
            for unit in units:
                sink.deliver(unit)

        await self.pull(stream, deliver)
        raise SourceStalled(Reason.SOURCE_ENDED, "the camera has ended the stream")

    async def pull(
        self,
        stream: ContainerStream,
        deliver: Callable[[VideoFormat, list[AccessUnit]], None],
    ) -> None:
        """Call *deliver* with what each picture of *stream* becomes; return at its end.

        Raises:
            GatewayError: As `run`.
        """
        failure: BaseException | None = None
        try:
            async with demuxing(stream.format) as process, asyncio.TaskGroup() as group:
                feeding = group.create_task(self._feed(stream, process), name="container-feed")
                await self._deliver(stream, process, deliver)
                feeding.cancel()
        except* GatewayError as broken:
            failure = broken
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        if failure is not None:
            raise failure

    async def _feed(self, stream: ContainerStream, process: DemuxProcess) -> None:
        """Send the bytes of *stream* to *process*; errors come out at `DemuxProcess.units`."""
        self._unit_s = self._clock.now()
        try:
            async with aclosing(stream.receive()) as pieces:
                async for piece in pieces:
                    self._counters.received_bytes += len(piece)
                    await process.write(piece)
                    blank_s = self._clock.now() - self._unit_s
                    if blank_s > 2 * self._stall_s:
                        detail = f"bytes, but no picture in them for {blank_s:.0f} s"
                        raise SourceStalled(Reason.CORRUPT, detail)
            process.finish()
        except GatewayError as error:
            process.fail(error)

    async def _deliver(
        self,
        stream: ContainerStream,
        process: DemuxProcess,
        deliver: Callable[[VideoFormat, list[AccessUnit]], None],
    ) -> None:
        units: ContainerUnits | None = None
        skipped = 0
        async with aclosing(process.units()) as demuxed:
            async for unit in demuxed:
                units = units or self._units(unit, stream.budget)
                self._counters.discarded += max(0, unit.skipped - skipped)
                skipped = unit.skipped
                now_s = self._clock.now()
                complete = units.push(unit, now_s)
                if complete:
                    self._unit_s = now_s
                    deliver(units.video, complete)

    def _units(self, unit: DemuxedUnit, budget: CameraBudget) -> ContainerUnits:
        return ContainerUnits(
            unit.codec,
            timeline=self._timeline,
            counters=self._counters,
            payload_bytes=self._payload_bytes,
            budget=budget,
        )
