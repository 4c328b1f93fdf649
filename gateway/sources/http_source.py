"""A camera that sends JPEG, FLV, MPEG-TS, fragmented MP4 or HLS over HTTP, as a source."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import NoReturn

from pydantic import SecretStr

from gateway.model.errors import GatewayError
from gateway.model.media import (
    VIDEO_CLOCK_HZ,
    AccessUnit,
    ClockReading,
    SourceCounters,
    VideoFormat,
)
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Clock, Sink
from gateway.rtp.picture import CodedPicture
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target, UrlPolicy
from gateway.sources.absence import Absence
from gateway.sources.camera_access import CameraAccess
from gateway.sources.container import ContainerReader
from gateway.sources.hls_reader import HlsReader
from gateway.sources.hls_stream import HlsStream, is_playlist
from gateway.sources.http_client import HttpAnswer, HttpClient
from gateway.sources.http_clock import HttpClock
from gateway.sources.http_container import HttpContainer, container_of
from gateway.sources.http_pictures import HttpPictures
from gateway.sources.timeline import Timeline
from gateway.transcoding.capacity import Capacity


class HttpSource:
    """`gateway.ports.Source` over HTTP.

    Args:
        camera: Whose stream; its user, device and whether Basic is allowed.
        stream: Which URL, how often a single picture is fetched.
        password: The secret behind `camera.password`.
        policy: Which addresses may be opened.
        login_limiter: Counts failed logins; one for all sources.
        payload_bytes: Largest RTP payload that is delivered.
        clock: Monotonic.
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
    ) -> None:
        self._stream = stream
        self._access = CameraAccess(
            camera, stream.url, password=password, policy=policy, login_limiter=login_limiter
        )
        self._clock = clock
        self._camera_clock = HttpClock(login_limiter, clock)
        self._counters = SourceCounters()
        self._absence = Absence(clock.now)
        self._timeline = Timeline(self._counters)
        self._containers = ContainerReader(
            self._counters,
            payload_bytes=payload_bytes,
            stall_s=stream.stall_s,
            clock=clock,
            timeline=self._timeline,
        )
        self._live = HlsReader(
            self._counters, payload_bytes=payload_bytes, clock=clock, timeline=self._timeline
        )

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._counters

    @property
    def clock_reading(self) -> ClockReading | None:
        """What the camera's clock showed last; None: it has not told."""
        return self._camera_clock.reading

    async def run(self, sink: Sink) -> None:
        """Pull the camera into *sink*; see `gateway.ports.Source.run`."""
        before = self._counters.units
        with self._absence.patience():
            try:
                await self._run(sink)
            finally:
                if self._counters.units > before:
                    self._absence.end()

    async def _run(self, sink: Sink) -> None:
        failure: GatewayError | None = None
        target = await self._access.resolve()
        async with asyncio.TaskGroup() as group:
            name = f"clock:{target.host}"
            reading = group.create_task(self._camera_clock.run(target), name=name)
            try:
                await self._pull(target, sink)
            except GatewayError as error:
                failure = error
            finally:
                reading.cancel()
        if failure is not None:
            raise failure

    async def _pull(self, target: Target, sink: Sink) -> None:
        async with self._client(target) as client:
            self._camera_clock.client = client
            answer = await client.get()
            container = await self._container(target, answer)
            if container is not None:
                await self._containers.run(container, sink)
            elif is_playlist(answer.content_type, target.path):
                await self._run_hls(client, target, answer, sink)
            else:
                await self._run_pictures(client, answer, sink)

    async def _container(self, target: Target, answer: HttpAnswer) -> HttpContainer | None:
        """Return the container in *answer*; None: a playlist, or pictures (`container_of`)."""
        if is_playlist(answer.content_type, target.path):
            return None
        return await container_of(answer, self._stream.stall_s)

    async def _run_hls(
        self, client: HttpClient, target: Target, answer: HttpAnswer, sink: Sink
    ) -> NoReturn:
        hls = HlsStream(client, target, stall_s=self._stream.stall_s, clock=self._clock)
        await hls.open(answer)
        await self._live.run(hls, sink)

    async def _run_pictures(self, client: HttpClient, answer: HttpAnswer, sink: Sink) -> None:
        pictures = self._pictures(client)
        pictures.accept(answer)
        self._counters.sessions += 1
        self._timeline.begin_session()
        sink.on_opened(VideoFormat("mjpeg"))
        before = self._counters.discarded, self._counters.received_bytes
        async with aclosing(pictures.receive()) as received:
            async for picture in received:
                self._counters.discarded = before[0] + pictures.discarded
                self._counters.received_bytes = before[1] + pictures.received_bytes
                sink.deliver(self._unit(picture))

    async def check(self) -> None:
        """Ask the camera whether it would play; see `gateway.ports.Source.check`."""
        with self._absence.patience():
            await self._check()
        self._absence.end()

    async def _check(self) -> None:
        target = await self._access.resolve()
        async with self._client(target) as client:
            answer = await client.get()
            container = await self._container(target, answer)
            if container is None and is_playlist(answer.content_type, target.path):
                hls = HlsStream(client, target, stall_s=self._stream.stall_s, clock=self._clock)
                await hls.open(answer)

    def _unit(self, picture: CodedPicture) -> AccessUnit:
        """Return *picture* at the time at which it has come: cameras tell no other."""
        now_s, payloads = self._clock.now(), picture.payloads
        counters = self._counters
        counters.units += 1
        counters.keyframes += 1
        counters.packets += 1
        time_90k = self._timeline.to_time_90k(int(now_s * VIDEO_CLOCK_HZ) & 0xFFFF_FFFF, now_s)
        return AccessUnit(payloads, time_90k, True, now_s, sum(map(len, payloads)))

    def _pictures(self, client: HttpClient) -> HttpPictures:
        stream = self._stream
        return HttpPictures(
            client, every_s=stream.snapshot_s, stall_s=stream.stall_s, clock=self._clock
        )

    def _client(self, target: Target) -> HttpClient:
        account = self._access.account(target)
        return HttpClient(target, account=account, clock=self._clock)
