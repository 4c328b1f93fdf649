"""Discoveries of a running gateway: with the accounts of its site document, and its own limiter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.config.secret_bindings import host_of
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.discovery.detected_store import DetectedStore
from gateway.discovery.discovery import Discovery
from gateway.discovery.refused_logins import FILE, RefusedLogins
from gateway.discovery.service import DiscoveryService
from gateway.model.errors import ConfigRejected
from gateway.model.site_document import CameraConfig, SiteConfig
from gateway.ports import Clock
from gateway.rtsp.auth import Login, login_of
from gateway.rtsp.login_limiter import LoginLimiter


def discovery_service(
    settings: Settings,
    secrets: Secrets,
    site: Callable[[], SiteConfig],
    limiter: LoginLimiter,
    clock: Clock,
) -> DiscoveryService:
    """Return what makes discoveries.

    Args:
        settings: Where cameras are, and whether a discovery is made each week.
        secrets: Where passwords are.
        site: Returns the site document in force.
        limiter: Of the logins of its cameras.
        clock: Monotonic.
    """
    discovery = Discovery(
        settings.cameras.networks,
        extra_ports=settings.cameras.ports,
        limiter=limiter,
        device_of=lambda address: device_at(site(), address),
        known=lambda: (host for host, _, _ in _hosts(site())),
        refused=RefusedLogins(settings.state.dir / FILE),
        clock=clock,
    )
    return DiscoveryService(
        discovery,
        accounts_of(site, secrets),
        DetectedStore(settings.state.dir),
        weekly=settings.discovery.weekly,
        clock=clock,
    )


def _hosts(site: SiteConfig) -> Iterator[tuple[str, CameraConfig, str]]:
    """Yield the host of each stream of *site*, its camera and its URL."""
    for camera in site.cameras:
        for stream in camera.streams:
            yield host_of(stream.url), camera, stream.url


def device_at(site: SiteConfig, address: str) -> str:
    """Return by which name the failed logins of *address* are counted."""
    named = (camera.device for host, camera, _ in _hosts(site) if host == address)
    return next((name for name in named if name), address)


def accounts_of(site: Callable[[], SiteConfig], secrets: Secrets) -> Callable[[str], Login | None]:
    """Return who logs in at an address: the first camera there that has a user."""

    def account(address: str) -> Login | None:
        for host, camera, url in _hosts(site()):
            if host != address or camera.username is None:
                continue
            try:
                password = secrets.load_for_camera(camera, url)
            except ConfigRejected:  # it is told where the camera itself cannot be opened
                continue
            return login_of(camera.username, password, allow_basic=camera.allow_basic)
        return None

    return account
