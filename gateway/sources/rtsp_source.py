"""One profile of one camera, as a source of access units: policy, client, assembler, timeline.

Runs once until it breaks; who runs it again is not its business. Its timeline and its counters
live on from run to run.
"""

from __future__ import annotations

import ssl

from pydantic import SecretStr

from gateway.model.errors import SourceUnavailable
from gateway.model.media import SourceCounters
from gateway.model.reasons import Reason
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Clock, Sink
from gateway.rtsp.auth import Login
from gateway.rtsp.client import RtspClient
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.rtsp.requests import Account
from gateway.rtsp.url_policy import Target, UrlPolicy
from gateway.sources.depacketizer import JointAssembler
from gateway.sources.fastpath_handover import FastPathHandover, create_handover
from gateway.sources.timeline import Timeline


class RtspSource:
    """`gateway.ports.Source` over RTSP.

    Args:
        camera: Whose stream; its user, device and whether Basic is allowed.
        stream: Which URL and transport.
        password: The secret behind `camera.password`.
        policy: Where cameras may be.
        ledger: Counts failed logins; one for all sources.
        payload_bytes: Largest RTP payload that comes out.
        tls: How to speak TLS; None: without verifying the camera's certificate.
    """

    def __init__(
        self,
        camera: CameraConfig,
        stream: StreamConfig,
        *,
        password: SecretStr | None,
        policy: UrlPolicy,
        ledger: LoginLimiter,
        payload_bytes: int,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._camera = camera
        self._stream = stream
        self._login: Login | None = None
        if camera.username is not None:
            secret = password if password is not None else SecretStr("")
            self._login = Login(camera.username, secret, camera.allow_basic)
        self._policy = policy
        self._ledger = ledger
        self._payload_bytes = payload_bytes
        self._clock = clock
        self._tls = tls
        self._counters = SourceCounters()
        self._timeline = Timeline(self._counters)
        self._known: Target | None = None

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._counters

    async def run(self, sink: Sink) -> None:
        """Pull the camera into *sink*; see `gateway.ports.Source.run`."""
        counters = self._counters
        async with self._client(await self._resolve()) as client:
            await client.connect()
            await client.options()
            description = await client.describe()
            await client.setup(description, self._stream.transport)
            counters.sessions += 1
            self._timeline.new_session()
            assembler = JointAssembler(
                description.video,
                payload_type=description.payload_type,
                timeline=self._timeline,
                counters=counters,
                payload_bytes=self._payload_bytes,
            )
            sink.opened(description.video)
            handover = create_handover(
                sink, client, assembler, timeline=self._timeline, counters=counters
            )
            intake = _Intake(sink, assembler, handover, self._clock)
            try:
                await client.play(intake.take)
                await client.stay(
                    stall_s=self._stream.stall_s,
                    pictured_s=lambda: intake.pictured_s,
                    sync=intake.sync,
                )
            finally:
                intake.close()
                self._count(client)

    async def check(self) -> None:
        """Ask the camera whether it would play; see `gateway.ports.Source.check`."""
        async with self._client(await self._resolve()) as client:
            await client.connect()
            await client.options()
            await client.describe()

    def _client(self, target: Target) -> RtspClient:
        device = self._camera.device or target.host
        account = Account(device, self._login, self._ledger)
        return RtspClient(target, account=account, clock=self._clock, tls=self._tls)

    async def _resolve(self) -> Target:
        """Return where the camera is; where it was, when nobody can say now."""
        try:
            self._known = await self._policy.resolve(self._stream.url)
        except SourceUnavailable as error:
            if self._known is None or error.reason is not Reason.DNS_FAILED:
                raise
        return self._known

    def _count(self, client: RtspClient) -> None:
        """Add what the transports have counted in this run."""
        if client.connection is not None:
            self._counters.resyncs += client.connection.wire.resyncs
            self._counters.discarded += client.connection.wire.strangers
        if client.udp is not None:
            self._counters.discarded += client.udp.reorder.discarded + client.udp.strangers


class _Intake:
    """What the packets of one session become: by the assembler, or by the fast path.

    Attributes:
        pictured_s: When the last whole picture came, as far as synced.
    """

    def __init__(
        self,
        sink: Sink,
        assembler: JointAssembler,
        handover: FastPathHandover | None,
        clock: Clock,
    ) -> None:
        self._sink, self._assembler, self._handover = sink, assembler, handover
        self._clock = clock
        self.pictured_s = clock.now()

    def take(self, packets: list[bytes]) -> None:
        """Take the video's packets; after whole pictures the fast path may go on."""
        now_s = self._clock.now()
        units = self._assembler.take(packets, now_s)
        for unit in units:
            self.pictured_s = now_s
            self._sink.deliver(unit)
        if units and self._handover is not None:
            self._handover.start()

    def sync(self) -> None:
        """Bring counters, reception and `pictured_s` up to date with the fast path."""
        if self._handover is not None:
            self._handover.sync_counters()
            self.pictured_s = max(self.pictured_s, self._handover.last_unit_s)

    def close(self) -> None:
        """Nothing more comes by the fast path."""
        if self._handover is not None:
            self._handover.close()
