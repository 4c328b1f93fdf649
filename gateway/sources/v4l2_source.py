"""A capture device of this machine as a source, as H.264: an analogue camera at a USB grabber."""

from __future__ import annotations

import asyncio
import os

from pydantic import SecretStr

from gateway.capture.options import (
    REASONS,
    CaptureOptions,
    Cause,
    WrongUrl,
    parse_capture_url,
)
from gateway.capture.process import CaptureProcess
from gateway.model.errors import SourceRefused, SourceUnavailable
from gateway.model.media import VIDEO_CLOCK_HZ, AccessUnit, SourceCounters, VideoFormat
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Clock, Sink
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import UrlPolicy
from gateway.transcoding.messages import OutputHeader, Report
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.output_payloads import payloads_of

OUTPUT = OutputFormat()
"""What comes out: 25 pictures a second, 1.5 Mb/s, a keyframe every 2 s and on request."""

KEYFRAME_INTERVAL_S = 0.5
"""However many viewers ask, there is no more than one keyframe in this time."""


def capture_mistake(url: str) -> str:
    """Return what is wrong with *url* as the address of a capture device; empty: nothing."""
    try:
        parse_capture_url(url)
    except WrongUrl as error:
        return str(error)
    return ""


class V4l2Source:
    """`gateway.ports.Source` and `KeyframeSource`: a device, captured and encoded by a child.

    Args:
        camera: Of no use here, like the password and the limiter.
        stream: Which URL.
        policy: Which devices may be opened.
        payload_bytes: Largest RTP payload that is delivered.
        clock: Monotonic.
    """

    def __init__(
        self,
        camera: CameraConfig,  # noqa: ARG002  (the registry's)
        stream: StreamConfig,
        *,
        password: SecretStr | None,  # noqa: ARG002
        policy: UrlPolicy,
        login_limiter: LoginLimiter,  # noqa: ARG002
        payload_bytes: int,
        clock: Clock,
    ) -> None:
        self._stream = stream
        self._policy = policy
        self._payload_bytes = payload_bytes
        self._clock = clock
        self._counters = SourceCounters()
        self._child: CaptureProcess | None = None
        self._sink: Sink | None = None
        self._last_90k = -1
        self._damaged_before = 0
        self._asked_s = float("-inf")

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._counters

    @property
    def device(self) -> str:
        """What the device calls itself, and what it sends; empty while it is not open."""
        return "" if self._child is None else self._child.device

    async def run(self, sink: Sink) -> None:
        """Capture into *sink*; see `gateway.ports.Source.run`."""
        options = await self._options()
        child = await CaptureProcess.start(options, OUTPUT, on_report=self._on_report)
        self._child, self._sink = child, sink
        try:
            self._counters.sessions += 1
            self._damaged_before = self._counters.discarded
            sink.on_opened(VideoFormat("h264"))
            await child.run()
        finally:
            self._child = self._sink = None
            await asyncio.shield(child.stop())

    async def check(self) -> None:
        """Look whether the device is there and may be opened; it is not, lest it is busy."""
        path = (await self._options()).device
        for cause, mode in ((Cause.MISSING, os.F_OK), (Cause.DENIED, os.R_OK | os.W_OK)):
            if not os.access(path, mode):
                reason, text = REASONS[cause]
                raise SourceUnavailable(reason, f"{path}: {text}")

    def request_keyframe(self) -> bool:
        """Make the next picture a keyframe; False while nothing is captured."""
        if self._child is None:
            return False
        if self._clock.now() - self._asked_s >= KEYFRAME_INTERVAL_S:
            self._asked_s = self._clock.now()
            self._child.request_keyframe()
        return True

    async def _options(self) -> CaptureOptions:
        await self._policy.resolve(self._stream.url)
        try:
            return parse_capture_url(self._stream.url, stall_s=self._stream.stall_s)
        except WrongUrl as error:
            raise SourceRefused(Reason.CAPTURE_FORMAT, str(error)) from error

    def _on_report(self, head: OutputHeader, nals: list[bytes]) -> None:
        counters = self._counters
        counters.discarded = max(counters.discarded, self._damaged_before + head.dropped)
        if head.report is not Report.UNIT or self._sink is None:
            return
        payloads = payloads_of(head, nals, self._payload_bytes)
        captured_90k = min(head.time_90k, int(self._clock.now() * VIDEO_CLOCK_HZ))
        self._last_90k = time_90k = max(captured_90k, self._last_90k + 1)
        size_bytes = sum(map(len, payloads))
        counters.units += 1
        counters.keyframes += head.keyframe
        counters.packets += len(payloads)
        counters.received_bytes += size_bytes
        self._sink.deliver(
            AccessUnit(payloads, time_90k, head.keyframe, self._clock.now(), size_bytes)
        )
