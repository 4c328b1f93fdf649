"""What fetches releases, hands them to root, and says how this one is."""

from __future__ import annotations

from gateway.app.broker import BrokerComponents
from gateway.app.cameras import CameraComponents
from gateway.config.settings import Settings
from gateway.ports import Clock
from gateway.remote_config.health_gate import working_cameras
from gateway.runtime.build import FULL_VERSION
from gateway.updates.download import Download
from gateway.updates.health import HealthFile, runtime_folder
from gateway.updates.service import UpdateService
from gateway.updates.state import UpdateFolders

FETCHED = "update"
"""In the state folder: orders and bundles; root looks into it (`gateway.updates.__main__`)."""


def update_service(
    settings: Settings, broker_parts: BrokerComponents, clock: Clock
) -> UpdateService:
    """Return what has releases fetched and installed."""
    chosen, folder = settings.updates, settings.state.dir / FETCHED
    ca_file = None if chosen.ca_file is None else settings.resolve_path(chosen.ca_file)
    return UpdateService(
        folder,
        layout=UpdateFolders(),
        version=FULL_VERSION,
        download=Download(
            folder, hosts=chosen.hosts, ca_file=ca_file, max_kbps=chosen.max_kbps, clock=clock
        ),
        download_s=chosen.download_h * 3600,
        topics=broker_parts.topics,
        bus=broker_parts.client,
        events=broker_parts.outbox,
        stamp=broker_parts.epochs.stamp,
        clock=clock,
    )


def health_file(
    camera_parts: CameraComponents, broker_parts: BrokerComponents, clock: Clock
) -> HealthFile:
    """Return what tells root how this release is, so that it can be undone while it is tried."""
    return HealthFile(
        runtime_folder(),
        version=FULL_VERSION,
        connected=lambda: broker_parts.client.connected,
        snapshots=camera_parts.manager.snapshots,
        working=working_cameras,
        clock=clock,
    )
