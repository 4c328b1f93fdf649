"""A camera, or a recorder's channel, over RTMP as a source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from gateway.model.errors import GatewayError, SourceStalled
from gateway.model.media import SourceCounters
from gateway.model.site_document import CameraConfig, StreamConfig
from gateway.model.url_login import PASSWORD, USERNAME
from gateway.ports import Clock, Sink
from gateway.rtmp.client import RtmpClient
from gateway.rtsp.login import Account
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.url_policy import Target, UrlPolicy
from gateway.sources.camera_access import CameraAccess
from gateway.sources.container import ContainerReader
from gateway.transcoding.capacity import Capacity


def login_in_url(account: Account, url: str) -> Account:
    """Return *account*, without its login if *url* has no place for one: RTMP knows no other."""
    if USERNAME in url or PASSWORD in url:
        return account
    return Account(account.device, None, account.limiter)


class RtmpSource:
    """`gateway.ports.Source` over RTMP.

    Args:
        camera: Whose stream; its user, device and whether a password may be sent in clear.
        stream: Which URL, and how long it may be silent.
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
        self._counters = SourceCounters()
        self._reader = ContainerReader(
            self._counters, payload_bytes=payload_bytes, stall_s=stream.stall_s, clock=clock
        )
        self._offers_h265 = False

    @property
    def counters(self) -> SourceCounters:
        """What has been counted since the source was made."""
        return self._counters

    async def run(self, sink: Sink) -> None:
        """Pull the camera into *sink*; see `gateway.ports.Source.run`."""
        async with self._client(await self._access.resolve()) as client:
            with self._learning(client):
                await client.open()
                await self._reader.run(client, sink)

    async def check(self) -> None:
        """Ask the camera whether it would play; see `gateway.ports.Source.check`."""
        async with self._client(await self._access.resolve()) as client:
            with self._learning(client):
                await client.open()

    @contextmanager
    def _learning(self, client: RtmpClient) -> Iterator[None]:
        """Offer H.265 the next time, if the camera hangs up before any video."""
        try:
            yield
        except GatewayError as error:
            session = client.session
            if not session.pictures:
                hung_up = isinstance(error, SourceStalled) and session.accepted
                self._offers_h265 = hung_up and not self._offers_h265
            raise

    def _client(self, target: Target) -> RtmpClient:
        return RtmpClient(
            target,
            account=login_in_url(self._access.account(target), self._stream.url),
            clock=self._clock,
            stall_s=self._stream.stall_s,
            offers_h265=self._offers_h265,
        )
