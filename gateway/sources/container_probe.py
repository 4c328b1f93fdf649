"""Probes what comes in a container, whoever fetches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from gateway.demuxing.process import SHOWN
from gateway.model.errors import GatewayError
from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.sources.container import ContainerReader, ContainerStream
from gateway.sources.probe_stats import Finding, UnitStats
from gateway.sources.probe_steps import ProbeOptions, Step, StepName, StepTimer

FIRST_PICTURE_S = 5.0
"""How long the first picture may take; and the longest silence after it."""


class _Watch:
    """Pulls a container until there is enough to be said of it.

    Attributes:
        stats: Of the pictures; None: there was none.
    """

    def __init__(self, options: ProbeOptions, counters: SourceCounters) -> None:
        self._options = options
        self._counters = counters
        self._enough = asyncio.Event()
        self.stats: UnitStats | None = None

    async def run(self, stream: ContainerStream) -> GatewayError | None:
        """Pull *stream* until there are enough GOPs or time is up; return what has failed."""
        reader = ContainerReader(
            self._counters,
            payload_bytes=1_400,
            stall_s=FIRST_PICTURE_S,
            clock=self._options.clock,
        )
        limit_s = FIRST_PICTURE_S + 2 * self._options.watch_s
        failure: BaseException | None = None
        try:
            async with asyncio.timeout(limit_s):
                try:
                    async with asyncio.TaskGroup() as group:
                        pulling = group.create_task(
                            self._pull(reader, stream), name="probe-container"
                        )
                        await self._enough.wait()
                        pulling.cancel()
                except* GatewayError as broken:
                    failure = broken
        except TimeoutError:
            return None
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        return failure if isinstance(failure, GatewayError) else None

    async def _pull(self, reader: ContainerReader, stream: ContainerStream) -> None:
        await reader.pull(stream, self._push)
        self._enough.set()

    def _push(self, video: VideoFormat, units: list[AccessUnit]) -> None:
        if self.stats is None:
            self.stats = UnitStats(
                video.codec, video.parameter_sets, self._counters, self._options.clock
            )
        self.stats.push_units(units)
        if self.stats.enough.is_set():
            self._enough.set()


async def probe_container(
    stream: ContainerStream,
    options: ProbeOptions,
    timer: StepTimer,
    counters: SourceCounters | None = None,
) -> AsyncGenerator[Step, None]:
    """Yield what is found in *stream*, from ``first_packet`` on.

    Args:
        stream: Open, from its beginning.
        options: How long to watch.
        timer: Makes the steps.
        counters: Where losses are counted already; None: nothing can be lost.
    """
    watch = _Watch(options, counters or SourceCounters())
    error = await watch.run(stream)
    stats, name = watch.stats, SHOWN[stream.format]
    if stats is None:
        fact = error.detail if error else f"no picture in the {name}"
        yield timer.step("first_packet", fact, error.reason if error else Reason.STALLED)
        return
    yield timer.step("first_packet", f"pictures come out of the {name}")
    found: tuple[tuple[StepName, Finding], ...] = (
        ("first_keyframe", stats.first_keyframe),
        ("gop", stats.gop),
        ("codec", stats.codec),
        ("interlace", stats.interlace),
        ("pixels", stats.pixels),
        ("bitrate", stats.bitrate),
        ("b_frames", stats.b_frames),
    )
    for step, finding in found:
        yield timer.step(step, finding.fact, finding.reason, stats.measure)
