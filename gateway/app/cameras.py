"""Builds what pulls the cameras, looks at their pictures, and shows them to viewers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from gateway.app.broker import CameraSources, ice_servers
from gateway.app.callbacks import Callbacks
from gateway.cameras.manager import CameraManager
from gateway.cameras.picture_monitor import PictureMonitor
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.model.site_document import SiteConfig
from gateway.ports import Clock, Events
from gateway.vision.decoder import Decoder
from gateway.webrtc.session_manager import SessionManager


@dataclass(frozen=True, slots=True)
class CameraComponents:
    """The parts.

    Attributes:
        sources: Makes the source of each stream.
        manager: The cameras.
        session_manager: Their viewers.
        decoder: Opens single pictures, in a process of its own.
        picture_monitor: Analyses their pictures.
    """

    sources: CameraSources
    manager: CameraManager
    session_manager: SessionManager
    decoder: Decoder
    picture_monitor: PictureMonitor

    @property
    def components(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What has to run."""
        return self.session_manager.run, self.manager.run, self.picture_monitor.run


def camera_components(
    settings: Settings,
    secrets: Secrets,
    site: SiteConfig,
    callbacks: Callbacks,
    *,
    events: Events,
    clock: Clock,
) -> CameraComponents:
    """Return what shows the cameras of *site*.

    Args:
        settings: What may be opened, and how viewers are reached.
        secrets: Where passwords are.
        site: The cameras to begin with.
        callbacks: Called with the end of each session that has ended by itself.
        events: Is told who watched what.
        clock: Monotonic.

    Raises:
        ConfigRejected: The password of a TURN server cannot be read.
    """
    session_manager = SessionManager(
        find_camera=lambda camera: manager.find(camera),
        limits=lambda: manager.site.limits,
        ice_servers=tuple(ice_servers(settings, secrets)),
        relay_only=settings.webrtc.relay_only,
        forbidden_networks=settings.cameras.networks,
        on_ended=lambda bye: callbacks.on_session_ended(bye),
        events=events,
    )
    sources = CameraSources(settings, secrets, clock)
    manager = CameraManager(site, source=sources, viewers=session_manager.viewer_count, clock=clock)
    decoder = Decoder(clock=clock)
    picture_monitor = PictureMonitor(
        settings.picture_checks,
        cameras=lambda: (camera.id for camera in manager.site.cameras),
        find=manager.find,
        decoder=decoder,
        clock=clock,
    )
    return CameraComponents(sources, manager, session_manager, decoder, picture_monitor)
