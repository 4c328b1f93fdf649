"""Pulls a live HLS stream into a sink: one demuxer for each run of segments, at an even pace."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from gateway.model.errors import SourceStalled
from gateway.model.media import AccessUnit, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.ports import Clock, Sink
from gateway.rtsp.budget import DISCONTINUITIES
from gateway.sources.container import ContainerReader
from gateway.sources.hls_stream import HlsStream
from gateway.sources.paced_sink import PacedSink
from gateway.sources.timeline import Timeline

HELD_TARGETS = 3
"""So many target durations of pictures are held at most, to hand them on evenly."""


class HlsReader:
    """Pulls the HLS streams of one camera, one after the other.

    Args:
        counters: Where all is counted.
        payload_bytes: Largest payload to deliver.
        clock: Monotonic.
        timeline: Of the camera.
    """

    def __init__(
        self, counters: SourceCounters, *, payload_bytes: int, clock: Clock, timeline: Timeline
    ) -> None:
        self._counters = counters
        self._payload_bytes = payload_bytes
        self._clock = clock
        self._timeline = timeline

    async def run(self, stream: HlsStream, sink: Sink) -> NoReturn:
        """Deliver *stream*, which is open, into *sink* until it ends or breaks.

        Raises:
            SourceStalled: It has ended, or goes on with another codec (`SOURCE_ENDED`).
            GatewayError: As `HlsStream.begin`, `HlsStream.receive` and `ContainerReader.pull`.
        """
        paced = PacedSink(sink, self._clock, asyncio.get_running_loop().call_later)
        paced.longest_s = HELD_TARGETS * stream.target_s
        reader = ContainerReader(
            self._counters,
            payload_bytes=self._payload_bytes,
            stall_s=stream.stalled_s,
            clock=self._clock,
            timeline=self._timeline,
        )
        opened: VideoFormat | None = None

        def deliver(video: VideoFormat, units: list[AccessUnit]) -> None:
            nonlocal opened
            if opened is None:
                opened = video
                paced.on_opened(video)
            if video.codec != opened.codec:
                raise SourceStalled(Reason.SOURCE_ENDED, f"the stream goes on in {video.codec}")
            for unit in units:
                paced.deliver(unit)

        try:
            while await stream.begin():
                stream.budget.charge(DISCONTINUITIES)
                self._counters.sessions += 1
                self._timeline.begin_session()
                await reader.pull(stream, deliver)
            await self._clock.sleep(paced.held_s)
        finally:
            paced.close()
        raise SourceStalled(Reason.SOURCE_ENDED, "the camera has ended the stream")
