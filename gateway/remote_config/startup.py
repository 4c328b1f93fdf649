"""What runs when the program starts: a document of the centre, or else what the installer left."""

from __future__ import annotations

import structlog

from gateway.config.settings import Settings
from gateway.config.site_store import SiteStore
from gateway.model.errors import ConfigRejected
from gateway.model.site_document import SiteConfig
from gateway.remote_config.document import DesiredConfig
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore, resume_candidate

log = structlog.get_logger(__name__)


def load_state(settings: Settings, store: ConfigStore) -> ConfigState:
    """Return what runs from now on, and say aloud where it is from.

    Raises:
        ConfigRejected: The installer's document is broken, and there is nothing else to run.
    """
    confirmed, faults = store.load_confirmed()
    trying = resume_candidate(store, confirmed, crashes=settings.remote.crashes)
    try:
        installed = SiteStore(settings.state.dir).load().site
    except ConfigRejected as error:
        if confirmed is None and trying is None:
            raise
        log.error("site_unusable", faults=[str(fault) for fault in error.faults])
        installed = SiteConfig()
    standing = ConfigState(
        DesiredConfig(site=installed), confirmed, trying, store.load_last_rollback(), faults
    )
    log.info(
        "configuration",
        version=standing.version,
        confirmed=standing.candidate is None,
        cameras=len(standing.running.site.cameras),
    )
    return standing
