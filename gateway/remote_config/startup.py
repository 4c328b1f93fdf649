"""What runs when the program starts: the centre's document, or else what the installer left."""

from __future__ import annotations

from dataclasses import replace

import structlog

from gateway.config.secret_bindings import (
    EnteredHosts,
    SecretBindings,
    bindings_of,
    remembered_hosts,
)
from gateway.config.settings import Settings
from gateway.config.site_store import SiteStore
from gateway.model.errors import ConfigRejected, TransientError
from gateway.model.site_document import SiteConfig
from gateway.remote_config import statuses
from gateway.remote_config.document import DesiredConfig
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import ConfigStore, StoredConfig

log = structlog.get_logger(__name__)


def load_state(settings: Settings, store: ConfigStore) -> ConfigState:
    """Return what runs from now on, and log where it is from.

    Raises:
        ConfigRejected: The installer's document is broken, and there is nothing else to run.
    """
    confirmed, faults = store.load_confirmed()
    candidate = resume_candidate(store, confirmed, crashes=settings.remote.crashes)
    try:
        installed = SiteStore(settings.state.dir).load().site
    except ConfigRejected as error:
        if confirmed is None and candidate is None:
            raise
        log.error("site_unusable", faults=[str(fault) for fault in error.faults])
        installed = SiteConfig()
    state = ConfigState(
        DesiredConfig(site=installed), confirmed, candidate, store.load_last_rollback(), faults
    )
    log.info(
        "config_loaded",
        version=state.version,
        confirmed=state.candidate is None,
        cameras=len(state.running.site.cameras),
    )
    return state


def secret_bindings(settings: Settings, state: ConfigState) -> SecretBindings:
    """Return which secrets may go where: by the settings, the installer's document, and memory.

    What the centre has had confirmed is trusted once, when this machine has no memory yet: its
    passwords have been sent there already.
    """
    entered = [EnteredHosts.of(state.installed.site)]
    confirmed = None if state.confirmed is None else state.confirmed.config
    if confirmed is not None:
        broker = confirmed.broker
        pair = None
        if broker is not None and broker.password is not None:
            pair = broker.password, broker.host
        entered.append(EnteredHosts.of(confirmed.site, broker=pair))
    return bindings_of(settings, remembered_hosts(settings.state.dir, entered), entered[0])


def resume_candidate(
    store: ConfigStore, confirmed: StoredConfig | None, *, crashes: int
) -> StoredConfig | None:
    """Return the candidate that is to be in effect at the start; its attempts are counted.

    Args:
        store: The disk.
        confirmed: The fallback.
        crashes: After so many attempts it is rolled back: it may be what ends the program.
    """
    candidate, last_rollback = store.load_candidate(), store.load_last_rollback()
    if candidate is None:
        return None
    again = replace(candidate, attempt=candidate.attempt + 1)
    try:
        if last_rollback is not None and candidate.matches(
            last_rollback.version, last_rollback.sha256
        ):
            store.roll_back_candidate(last_rollback)  # the program died before it was removed
            return None
        if candidate.attempt >= crashes:
            log.error("config_rolled_back", version=candidate.version, why="crash_loop")
            last_known_good = 0 if confirmed is None else confirmed.version
            report = statuses.rolled_back(candidate, "crash_loop", "", last_known_good)
            store.roll_back_candidate(report)
            return None
        store.save_candidate(again)
    except TransientError as error:  # without a count it must not be tried again
        log.error("candidate_skipped", version=candidate.version, detail=error.detail)
        return None
    return again
