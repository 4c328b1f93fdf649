"""One profile of one camera over RTSP: URL policy, client, depacketizer, timeline.

A run ends when the session breaks; the supervisor runs it again. Timeline and counters go on from
run to run.
"""

from __future__ import annotations

import ssl

import structlog
from pydantic import SecretStr

from gateway.model.errors import SourceStalled
from gateway.model.media import AccessUnit, ClockReading, Codec, SourceCounters
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Clock, Sink
from gateway.rtsp.client import RtspClient
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.rtsp.receiver_stats import ReceiverStats
from gateway.rtsp.session_monitor import KeepAlive
from gateway.runtime.url_policy import Target, UrlPolicy
from gateway.sources.absence import Absence
from gateway.sources.camera_access import CameraAccess
from gateway.sources.codec_check import CodecCheck, CodecDiffers, as_sent, create_check
from gateway.sources.depacketizer import Depacketizer
from gateway.sources.depacketizers import create_depacketizer
from gateway.sources.fastpath_handover import FastPathHandover, create_handover
from gateway.sources.marker_trust import MarkerTrust
from gateway.sources.picture_depacketizer import PictureDepacketizer
from gateway.sources.timeline import Timeline
from gateway.transcoding.capacity import Capacity

log = structlog.get_logger(__name__)


class RtspSource:
    """`gateway.ports.Source` over RTSP.

    Args:
        camera: Whose stream; its user, device and whether Basic is allowed.
        stream: Which URL and transport.
        password: The secret behind `camera.password`.
        policy: Which addresses may be opened.
        login_limiter: Counts failed logins; one for all sources.
        payload_bytes: Largest RTP payload that is delivered.
        tls: How to speak TLS; None: without verifying the camera's certificate.
    """

    def __init__(
        self,
        camera: CameraConfig,
        stream: StreamConfig,
        *,
        password: SecretStr | None,
        policy: UrlPolicy,
        login_limiter: LoginLimiter,
        payload_bytes: int,
        clock: Clock,
        capacity: Capacity | None = None,  # noqa: ARG002  (the registry's: nothing is encoded)
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._camera = camera.id
        self._stream = stream
        self._access = CameraAccess(
            camera, stream.url, password=password, policy=policy, login_limiter=login_limiter
        )
        self._payload_bytes = payload_bytes
        self._clock = clock
        self._tls = tls
        self._counters = SourceCounters()
        self._timeline = Timeline(self._counters)
        self._markers = MarkerTrust()
        self._keep_alive = KeepAlive()
        self._receiver_stats: ReceiverStats | None = None  # of the last session
        self._absence = Absence(lambda: self._clock.now())
        self._sends: Codec | None = None  # found by what came; None: as the camera describes

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._counters

    @property
    def clock_reading(self) -> ClockReading | None:
        """What the camera's clock showed last; None: it has not told."""
        return None if self._receiver_stats is None else self._receiver_stats.clock_reading

    async def run(self, sink: Sink) -> None:
        """Pull the camera into *sink*; see `gateway.ports.Source.run`."""
        with self._absence.patience():
            try:
                await self._run(sink)
            except CodecDiffers as error:
                log.warning("codec_differs", camera=self._camera, detail=error.detail)
                self._sends = error.codec
                await self._run(sink)

    async def _run(self, sink: Sink) -> None:
        counters = self._counters
        async with self._client(await self._access.resolve()) as client:
            await client.connect()
            await client.options()
            description = as_sent(await client.describe(), self._sends)
            self._absence.end()
            self._receiver_stats = client.receiver_stats
            await client.setup(description, self._stream.transport)
            counters.sessions += 1
            self._timeline.begin_session()
            depacketizer = create_depacketizer(
                description,
                timeline=self._timeline,
                counters=counters,
                payload_bytes=self._payload_bytes,
                budget=client.budget,
                markers=self._markers,
            )
            sink.on_opened(description.video)
            handover = create_handover(
                sink, client, depacketizer, timeline=self._timeline, counters=counters
            )
            check = create_check(description)
            media = _SessionMedia(sink, depacketizer, handover, self._clock, check)
            try:
                await client.play(media.push_packets)
                await client.monitor(
                    stall_s=self._stream.stall_s,
                    last_unit_s=lambda: media.last_unit_s,
                    sync=media.sync,
                    keep_alive=self._keep_alive,
                )
            except SourceStalled as error:
                media.finish(orderly=error.reason is Reason.SOURCE_ENDED)
                raise
            finally:
                media.close()
                self._count_transport(client)

    async def check(self) -> None:
        """Ask the camera whether it would play; see `gateway.ports.Source.check`."""
        with self._absence.patience():
            async with self._client(await self._access.resolve()) as client:
                await client.connect()
                await client.options()
                await client.describe()
        self._absence.end()

    def _client(self, target: Target) -> RtspClient:
        account = self._access.account(target)
        return RtspClient(target, account=account, clock=self._clock, tls=self._tls)

    def _count_transport(self, client: RtspClient) -> None:
        """Add what connection and UDP ports have counted in this run."""
        if client.connection is not None:
            self._counters.resyncs += client.connection.parser.resyncs
            self._counters.discarded += client.connection.parser.unknown_frames
        if client.udp is not None:
            self._counters.discarded += client.udp.reorder.discarded + client.udp.unknown_senders


class _SessionMedia:
    """Delivers the access units of one session, by the depacketizer or by the fast path.

    Attributes:
        last_unit_s: When the last access unit came, on the monotonic clock; as far as synced.
    """

    def __init__(
        self,
        sink: Sink,
        depacketizer: Depacketizer | PictureDepacketizer,
        handover: FastPathHandover | None,
        clock: Clock,
        check: CodecCheck | None,
    ) -> None:
        self._check = check
        self._sink, self._depacketizer, self._handover = sink, depacketizer, handover
        self._clock = clock
        self.last_unit_s = clock.now()

    def push_packets(self, packets: list[bytes]) -> None:
        """Deliver the access units that *packets* complete; then the fast path may go on."""
        if self._check is not None and self._check.look(packets):
            self._check = None
        now_s = self._clock.now()
        units = self._depacketizer.push_packets(packets, now_s)
        self._deliver(units, now_s)
        if units and self._handover is not None:
            self._handover.start()

    def finish(self, *, orderly: bool) -> None:
        """Deliver the picture that waits for its end, if it is whole: nothing more comes.

        Args:
            orderly: Whether the camera has said so.
        """
        self.close()
        now_s = self._clock.now()
        self._deliver(self._depacketizer.finish(now_s, orderly=orderly), now_s)

    def _deliver(self, units: list[AccessUnit], now_s: float) -> None:
        for unit in units:
            self.last_unit_s = now_s
            self._sink.deliver(unit)

    def sync(self) -> None:
        """Bring counters, receiver_stats and `last_unit_s` up to date with the fast path."""
        if self._handover is not None:
            self._handover.sync_counters()
            self.last_unit_s = max(self.last_unit_s, self._handover.last_unit_s)

    def close(self) -> None:
        """End the fast path."""
        if self._handover is not None:
            self._handover.close()
