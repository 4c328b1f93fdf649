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
from gateway.model.media import VIDEO_CLOCK_HZ, SourceCounters
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Clock, Sink
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import UrlPolicy
from gateway.transcoding.capacity import Capacity, Load, reference_ms
from gateway.transcoding.encoder_output import EncoderOutput
from gateway.transcoding.messages import OutputHeader
from gateway.transcoding.output_format import OutputFormat, output_size

OUTPUT = OutputFormat()
"""What comes out: 25 pictures a second, 1.5 Mb/s, a keyframe every 2 s and on request."""


def capture_mistake(url: str) -> str:
    """Return what is wrong with *url* as the address of a capture device; empty: nothing."""
    try:
        parse_capture_url(url)
    except WrongUrl as error:
        return str(error)
    return ""


def expected_load(options: CaptureOptions) -> Load:
    """Return what a capture is expected to cost; whether the device sends JPEG is not known yet."""
    width, height = output_size(options.width, options.height, None, OUTPUT.height)
    ms = reference_ms("mjpeg", options.width * options.height, width * height)
    return Load(ms, OUTPUT.fps, capture=True)


class V4l2Source:
    """`gateway.ports.Source` and `KeyframeSource`: a device, captured and encoded by a child.

    Args:
        camera: Whose; the password and the limiter are of no use here.
        stream: Which URL.
        policy: Which devices may be opened.
        payload_bytes: Largest RTP payload that is delivered.
        clock: Monotonic.
        capacity: Of this machine; shared by all that encode.
    """

    def __init__(
        self,
        camera: CameraConfig,
        stream: StreamConfig,
        *,
        password: SecretStr | None,  # noqa: ARG002  (the registry's)
        policy: UrlPolicy,
        login_limiter: LoginLimiter,  # noqa: ARG002
        payload_bytes: int,
        clock: Clock,
        capacity: Capacity,
    ) -> None:
        self._stream = stream
        self._policy = policy
        self._clock = clock
        name = f"{camera.id}/{stream.profile}/captured"
        self._encoded = EncoderOutput(name, payload_bytes, capacity, clock)
        self._child: CaptureProcess | None = None
        self._damaged_before = 0

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._encoded.counters

    @property
    def device(self) -> str:
        """What the device calls itself, and what it sends; empty while it is not open."""
        return "" if self._child is None else self._child.device

    async def run(self, sink: Sink) -> None:
        """Capture into *sink*; see `gateway.ports.Source.run`."""
        options = await self._options()
        load = expected_load(options)
        if refused := self._encoded.admit(load):
            raise SourceUnavailable(Reason.TRANSCODING_FULL, f"{options.device}: {refused}")
        try:
            child = await CaptureProcess.start(
                options,
                OUTPUT,
                on_ready=lambda child: self._begin(sink, child, load),
                on_report=self._on_report,
            )
            await child.run()
        finally:
            self._encoded.end()
            ended, self._child = self._child, None
            if ended is not None:
                await asyncio.shield(ended.stop())

    async def check(self) -> None:
        """Look whether the device is there and may be opened; it is not, lest it is busy."""
        path = (await self._options()).device
        for cause, mode in ((Cause.MISSING, os.F_OK), (Cause.DENIED, os.R_OK | os.W_OK)):
            if not os.access(path, mode):
                reason, text = REASONS[cause]
                raise SourceUnavailable(reason, f"{path}: {text}")

    def request_keyframe(self) -> bool:
        """Make the next picture a keyframe; False while nothing is captured."""
        return self._encoded.request_keyframe()

    async def _options(self) -> CaptureOptions:
        await self._policy.resolve(self._stream.url)
        try:
            return parse_capture_url(self._stream.url, stall_s=self._stream.stall_s)
        except WrongUrl as error:
            raise SourceRefused(Reason.CAPTURE_FORMAT, str(error)) from error

    def _begin(self, sink: Sink, child: CaptureProcess, load: Load) -> None:
        self._child = child
        self._damaged_before = self.counters.discarded
        self._encoded.begin(sink, child, load)

    def _on_report(self, head: OutputHeader, nals: list[bytes]) -> None:
        counters = self.counters
        counters.discarded = max(counters.discarded, self._damaged_before + head.dropped)
        captured_90k = min(head.time_90k, int(self._clock.now() * VIDEO_CLOCK_HZ))
        self._encoded.take(head, nals, captured_90k)
