"""What runs when the program starts: a document of the centre, or else what the installer left."""

from __future__ import annotations

import structlog

from gateway.agent.desired.kept import KeptConfig, begun
from gateway.agent.desired.standing import Standing
from gateway.agent.desired.wanted import Wanted
from gateway.agent.settings import Settings
from gateway.agent.store import SiteStore
from gateway.model.config import SiteConfig
from gateway.model.errors import ConfigRejected

log = structlog.get_logger(__name__)


def begin(settings: Settings, disk: KeptConfig) -> Standing:
    """Return what runs from now on, and say aloud where it is from.

    Raises:
        ConfigRejected: The installer's document is broken, and there is nothing else to run.
    """
    confirmed, faults = disk.confirmed()
    trying = begun(disk, confirmed, crashes=settings.remote.crashes)
    try:
        installed = SiteStore(settings.state.dir).load().site
    except ConfigRejected as error:
        if confirmed is None and trying is None:
            raise
        log.error("site_unusable", faults=[str(fault) for fault in error.faults])
        installed = SiteConfig()
    standing = Standing(Wanted(site=installed), confirmed, trying, disk.verdict(), faults)
    log.info(
        "configuration",
        version=standing.version,
        confirmed=standing.trying is None,
        cameras=len(standing.running.site.cameras),
    )
    return standing
