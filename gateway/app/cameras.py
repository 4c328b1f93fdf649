"""Builds what pulls the cameras, analyses their pictures, and shows them to viewers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import structlog
from pydantic import SecretStr

from gateway.app.callbacks import Callbacks
from gateway.app.discovery import discovery_service
from gateway.cameras.camera import video_info_of
from gateway.cameras.manager import CameraManager
from gateway.cameras.picture_monitor import PictureMonitor
from gateway.config.load import policy_of
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings, Transcoding
from gateway.discovery.service import DiscoveryService
from gateway.inventory.sections import Sources
from gateway.model.detected import DetectedDevice
from gateway.model.errors import ConfigRejected
from gateway.model.health import ChildDeaths, Machine, TranscodingSample
from gateway.model.inventory import Observations
from gateway.model.signalling import IceServer
from gateway.model.site_document import CameraConfig, SiteConfig, StreamConfig
from gateway.ports import Clock, Events, Source, ViewingAuthority
from gateway.rtsp.login_limiter import LoginLimiter
from gateway.runtime.clock import now_ms
from gateway.runtime.repeated_events import RepeatedEvents
from gateway.runtime.turn_credentials import ConfiguredIceServer
from gateway.slates.service import Slates
from gateway.sources.camera_access import CameraAccess
from gateway.sources.keyframe_asking import AskingSource
from gateway.sources.keyframe_requests import devices_of, keyframe_request, keyframe_url
from gateway.sources.registry import source_type
from gateway.sources.unavailable import RefusedSource
from gateway.streams.stream import Stream
from gateway.transcoding.capacity import Capacity
from gateway.transcoding.encoder_choice import EncoderChoice
from gateway.transcoding.output_format import OutputFormat
from gateway.transcoding.source import TranscodeSource
from gateway.vision.decoder import Decoder
from gateway.webrtc.inbound_drops import InboundDrops
from gateway.webrtc.session_manager import SessionManager

log = structlog.get_logger(__name__)


def ice_servers(settings: Settings, secrets: Secrets) -> Iterator[ConfiguredIceServer]:
    """Yield the STUN and TURN servers of *settings*.

    Raises:
        ConfigRejected: The password or secret of one cannot be read.
    """
    for index, server in enumerate(settings.webrtc.ice):
        at, credential, shared = f"/webrtc/ice/{index}", None, None
        if server.credential is not None:
            credential = secrets.load(
                server.credential, at=f"{at}/credential", username=server.username
            )
        if server.shared_secret is not None:
            shared = secrets.load(server.shared_secret, at=f"{at}/shared_secret")
        yield ConfiguredIceServer(IceServer(server.urls, server.username, credential), shared)


def inventory_sources(
    settings: Settings,
    site: Callable[[], SiteConfig],
    machine: Machine,
    detected: Callable[[], tuple[DetectedDevice, ...]] = tuple,
) -> Callable[[Observations], Sources]:
    """Return what joins all that is known for the inventory to what has been observed."""
    networks = tuple(str(each) for each in settings.cameras.networks)
    return lambda seen: Sources(site(), networks, machine, seen, detected())


class CameraSources:
    """Makes the source of one stream of a site; a camera without its secret gets a refusal.

    Args:
        settings: What may be opened.
        secrets: Where passwords are.
        capacity: Of this machine, for what has to be encoded.
        clock: Monotonic.

    Attributes:
        login_limiter: Counts failed logins; one for all that log in at cameras.
    """

    def __init__(
        self, settings: Settings, secrets: Secrets, capacity: Capacity, clock: Clock
    ) -> None:
        self._policy = policy_of(settings)
        self._capacity = capacity
        self._secrets = secrets
        self.login_limiter = LoginLimiter(clock)
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._clock = clock

    def __call__(self, site: SiteConfig, camera: CameraConfig, stream: StreamConfig) -> Source:
        """Return the source of *stream*, one of *camera*'s, one of *site*'s."""
        try:
            create = source_type(stream.url).create
            password = self._password(site, camera, stream.url)
        except ConfigRejected as error:
            log.error("camera_refused", camera=camera.id, detail=error.detail)
            return RefusedSource(error)
        source = create(
            camera,
            stream,
            password=password,
            policy=self._policy,
            login_limiter=self.login_limiter,
            payload_bytes=site.limits.payload_bytes,
            clock=self._clock,
            capacity=self._capacity,
        )
        if stream.keyframe_requests is None:
            return source
        try:
            return self._asking(site, camera, stream, source)
        except ConfigRejected as error:  # a camera that nobody asks can be watched all the same
            log.error("keyframe_requests_refused", camera=camera.id, detail=error.detail)
            return source

    def _asking(
        self, site: SiteConfig, camera: CameraConfig, stream: StreamConfig, source: Source
    ) -> AskingSource:
        """Return *source* with requests for keyframes. Raises ConfigRejected."""
        url = keyframe_url(stream)
        access = CameraAccess(
            camera,
            url,
            password=self._password(site, camera, url),
            policy=self._policy,
            login_limiter=self.login_limiter,
        )
        device = camera.device or urlsplit(url).hostname or ""
        return AskingSource(
            source,
            keyframe_request(access, stream, self._clock),
            gate=self._gates.setdefault(device, asyncio.Lock()),
            name=f"{camera.id}/{stream.profile}",
            clock=self._clock,
        )

    def _password(self, site: SiteConfig, camera: CameraConfig, url: str) -> SecretStr | None:
        """Return the password of *camera* for *url*; None: it has none. Raises ConfigRejected."""
        if camera.password is None:
            return None
        at = f"/cameras/{site.cameras.index(camera)}"
        return self._secrets.load_for_camera(camera, url, at=at)

    def reset_logins(self, camera: CameraConfig) -> None:
        """Count failed logins at the device of *camera* anew: its configuration has changed."""
        for device in devices_of(camera):
            self.login_limiter.reset(device)


CORES_SHARE = 0.75
"""Of the processor, for transcodes and captures; the rest relays, and answers."""


def capacity_of(settings: Transcoding) -> Capacity:
    """Return what this machine may spend on encoding."""
    return Capacity(settings.cores or CORES_SHARE * len(os.sched_getaffinity(0)))


class TranscodeSources:
    """Makes the source that transcodes one stream of a site.

    Args:
        settings: What comes out.
        capacity: Of this machine.
        clock: Monotonic.
    """

    def __init__(self, settings: Transcoding, capacity: Capacity, clock: Clock) -> None:
        self._output = OutputFormat(
            height=settings.height,
            bitrate_bps=settings.bitrate_kbps * 1000,
            fps=settings.fps,
            preset=settings.preset,
            profile=settings.profile,
            gop_s=settings.gop_s,
        )
        self._clock = clock
        self._capacity = capacity
        self._encoder = EncoderChoice(asked=settings.encoder)

    async def choose_encoder(self) -> None:
        """Try what this machine has, once; until then software encodes. Runs until cancelled."""
        await self._encoder.choose()
        await asyncio.Event().wait()

    def sample(self) -> TranscodingSample:
        """Return what is transcoded now."""
        capacity = self._capacity
        cores = capacity.used(self._clock.now())
        return TranscodingSample(
            capacity.transcodes,
            self._encoder.name,
            self._encoder.why,
            round(cores, 2),
            capacity.cores,
        )

    def __call__(
        self, site: SiteConfig, name: str, stream: Stream, *, reduced: bool = False
    ) -> TranscodeSource:
        """Return the source that transcodes *stream*; *name* is for log lines."""
        return TranscodeSource(
            name,
            stream,
            output=self._output.reduced() if reduced else self._output,
            encoder=self._encoder,
            payload_bytes=site.limits.payload_bytes,
            capacity=self._capacity,
            picture=lambda: video_info_of(stream),
            clock=self._clock,
        )


@dataclass(frozen=True, slots=True)
class CameraComponents:
    """What has been built.

    Attributes:
        sources: Makes the source of each stream.
        manager: Runs the cameras.
        session_manager: Runs their viewers' sessions.
        decoder: Decodes single pictures, in a process of its own.
        picture_monitor: Analyses them.
        inbound_drops: Counts what the sessions' ports refuse.
        transcodes: Makes what transcodes them; None: nothing is transcoded.
        slates: What stands in for those that are gone; None: nothing does.
        discovery: Finds devices.
    """

    sources: CameraSources
    manager: CameraManager
    session_manager: SessionManager
    decoder: Decoder
    picture_monitor: PictureMonitor
    inbound_drops: InboundDrops
    transcodes: TranscodeSources | None
    slates: Slates | None
    discovery: DiscoveryService

    def transcoding(self) -> TranscodingSample:
        """Return what is transcoded now."""
        return TranscodingSample() if self.transcodes is None else self.transcodes.sample()

    def child_deaths(self) -> ChildDeaths:
        """Return how many child processes have died."""
        services = () if self.slates is None else self.slates.services.values()
        return ChildDeaths(
            sum(camera.transcode_deaths for camera in self.manager.snapshots()),
            sum(each.deaths for each in services),
            self.decoder.deaths,
        )

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        encoder = () if self.transcodes is None else (self.transcodes.choose_encoder,)
        slates = () if self.slates is None else [each.run for each in self.slates.services.values()]
        running = self.session_manager.run, self.manager.run, self.picture_monitor.run
        return *running, self.discovery.run, *encoder, *slates


def camera_components(
    settings: Settings,
    secrets: Secrets,
    site: SiteConfig,
    callbacks: Callbacks,
    *,
    authority: ViewingAuthority,
    events: Events,
    refusals: RepeatedEvents,
    clock: Clock,
) -> CameraComponents:
    """Return what shows the cameras of *site*.

    Args:
        settings: What may be opened, and how viewers are reached.
        secrets: Where passwords are.
        site: The cameras to begin with.
        callbacks: Called with the end of each session that has ended by itself.
        authority: Decides who may watch.
        events: Is told who watched what.
        refusals: Is told who was refused.
        clock: Monotonic.

    Raises:
        ConfigRejected: The password of a TURN server cannot be read.
    """
    inbound_drops = InboundDrops(clock=clock)
    servers = tuple(ice_servers(settings, secrets))
    session_manager = SessionManager(
        find_camera=lambda camera: manager.find(camera),
        limits=lambda: manager.site.limits,
        ice_servers=lambda: tuple(
            each.usable_by(settings.gateway.id, now_ms=now_ms()) for each in servers
        ),
        relay_only=settings.webrtc.relay_only,
        forbidden_networks=settings.cameras.networks,
        on_ended=lambda bye: callbacks.tell_viewer(bye),
        on_stats=lambda stats: callbacks.tell_viewer(stats),
        authority=authority,
        events=events,
        refusals=refusals,
        drops=inbound_drops,
    )
    capacity = capacity_of(settings.transcoding)
    sources = CameraSources(settings, secrets, capacity, clock)
    transcodes = TranscodeSources(settings.transcoding, capacity, clock)
    enabled = settings.transcoding.enabled
    slates = Slates(payload_bytes=lambda: manager.site.limits.payload_bytes, clock=clock)
    shown = settings.webrtc.slates
    manager = CameraManager(
        site,
        source=sources,
        viewers=session_manager.viewer_count,
        transcode=transcodes if enabled else None,
        slate=slates.find if shown else lambda *_: None,
        clock=clock,
    )
    decoder = Decoder(clock=clock)
    picture_monitor = PictureMonitor(
        settings.picture_checks,
        cameras=lambda: (camera.id for camera in manager.site.cameras),
        find=manager.find,
        decoder=decoder,
        clock=clock,
    )
    return CameraComponents(
        sources,
        manager,
        session_manager,
        decoder,
        picture_monitor,
        inbound_drops,
        transcodes if enabled else None,
        slates if shown else None,
        discovery_service(settings, secrets, lambda: manager.site, sources.login_limiter, clock),
    )
