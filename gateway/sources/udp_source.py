"""A camera or encoder that sends MPEG-TS over UDP, as a source and to be probed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing

from pydantic import SecretStr

from gateway.model.errors import GatewayError
from gateway.model.media import SourceCounters
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.ports import Clock, Sink
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target, UrlPolicy
from gateway.sources.camera_access import CameraAccess
from gateway.sources.container import ContainerReader
from gateway.sources.container_probe import FIRST_PICTURE_S, probe_container
from gateway.sources.probe_steps import ProbeOptions, Step, StepFailed, StepTimer, run_step
from gateway.sources.udp_container import UdpContainer, listening
from gateway.transcoding.capacity import Capacity


class UdpSource:
    """`gateway.ports.Source` over UDP.

    Args:
        camera: Whose stream.
        stream: The URL has the sender's address, or a multicast group, and our port.
        password: Of no use: nothing is asked of the camera.
        policy: Who may send.
        login_limiter: Of no use here.
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
        self._access = CameraAccess(
            camera, stream.url, password=password, policy=policy, login_limiter=login_limiter
        )
        self._stall_s = stream.stall_s
        self._clock = clock
        self._counters = SourceCounters()
        self._reader = ContainerReader(
            self._counters, payload_bytes=payload_bytes, stall_s=stream.stall_s, clock=clock
        )

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._counters

    async def run(self, sink: Sink) -> None:
        """Listen for the camera into *sink*; see `gateway.ports.Source.run`."""
        target = await self._access.resolve()
        with self._listening(target) as stream:
            await self._reader.run(stream, sink)

    async def check(self) -> None:
        """Wait for the camera's first datagram; see `gateway.ports.Source.check`."""
        with self._listening(await self._access.resolve()) as stream:
            await stream.read()

    def _listening(self, target: Target) -> AbstractContextManager[UdpContainer]:
        return listening(target, stall_s=self._stall_s, counters=self._counters, clock=self._clock)


async def probe_udp(
    target: Target, options: ProbeOptions, timer: StepTimer
) -> AsyncGenerator[Step, None]:
    """Probe *target* (`gateway.sources.registry.ProbeSource`)."""
    counters = SourceCounters()
    try:
        with listening(
            target, stall_s=FIRST_PICTURE_S, counters=counters, clock=options.clock
        ) as stream:
            await run_step("connect", stream.read())
            yield timer.step("connect", stream.describe())
            async with aclosing(probe_container(stream, options, timer, counters)) as steps:
                async for step in steps:
                    yield step
    except GatewayError as error:
        raise StepFailed("connect", error) from error
