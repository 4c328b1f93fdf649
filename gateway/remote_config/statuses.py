"""What is reported of a configuration at each step, and what is put down for the audit. Pure."""

from __future__ import annotations

from gateway.model.errors import Fault
from gateway.model.event import Event
from gateway.mqtt.payloads.config import (
    MOST_CHANGES,
    Desired,
    Reported,
    State,
    Why,
    reported_faults,
)
from gateway.remote_config.store import StoredConfig


def applying(kept: StoredConfig, changed: tuple[str, ...], lkg: int) -> Reported:
    """*kept* is about to run, or runs and has yet to show that it does."""
    return _of(kept, "applying", changed, (), running=lkg, lkg=lkg)


def pending(
    kept: StoredConfig, changed: tuple[str, ...], restarted: tuple[str, ...], lkg: int
) -> Reported:
    """*kept* runs, all is well, and the centre may say that it stays."""
    return _of(kept, "pending_confirm", changed, restarted, running=kept.version, lkg=lkg)


def applied(
    kept: StoredConfig | None,
    changed: tuple[str, ...],
    restarted: tuple[str, ...],
    *,
    faults: tuple[Fault, ...] = (),
) -> Reported:
    """*kept* runs and stays; None: what the installer left. *faults*: why not a newer one does."""
    if kept is None:
        return Reported(version=0, state="applied", errors=reported_faults(faults))
    said = _of(kept, "applied", changed, restarted, running=kept.version, lkg=kept.version)
    return said.model_copy(update={"errors": reported_faults(faults)})


def rolled_back(kept: StoredConfig, why: Why, detail: str, lkg: int) -> Reported:
    """*kept* is undone and what ran before runs again."""
    return Reported(
        version=kept.version,
        sha256=kept.sha256,
        state="rolled_back",
        why=why,
        detail=detail[:400] or None,
        attempt=kept.attempt,
        running=lkg,
        last_known_good=lkg,
    )


def superseded(desired: Desired, *, running: int, lkg: int) -> Reported:
    """A newer document has come before this one was confirmed, or tried at all."""
    return Reported(
        version=desired.version,
        sha256=desired.sha256,
        state="superseded",
        running=running,
        last_known_good=lkg,
    )


def rejected(
    desired: Desired | None, faults: tuple[Fault, ...], *, running: int, lkg: int
) -> Reported:
    """A document changes nothing; None: it could not be read."""
    return Reported(
        version=None if desired is None else desired.version,
        sha256=None if desired is None else desired.sha256,
        state="rejected",
        errors=reported_faults(faults),
        running=running,
        last_known_good=lkg,
    )


def not_newer(version: int, newest: int) -> Fault:
    """What is wrong with a document of *version* once there was *newest*."""
    message = f"{version} is not newer than {newest}"
    return Fault("/ver", "version.old", message, {"newest": newest})


def taken(desired: Desired, key_id: str) -> Event:
    """Who has signed what is now being tried."""
    facts = {
        "ver": desired.version,
        "sha256": desired.sha256,
        "act": "taken",
        "kid": key_id,
        "issuer": desired.issuer,
        "reason": desired.reason,
    }
    return Event("config", facts, "audit")


def decided(said: Reported, *, untold: int = 0) -> Event:
    """What has become of a document; *untold* before it were rejected and not put down."""
    facts: dict[str, object] = {"ver": said.version, "sha256": said.sha256, "act": said.state}
    if said.why is not None:
        facts["why"] = said.why
    if untold:
        facts["untold"] = untold
    if said.errors:
        facts["errors"] = [{"at": each.at, "code": each.code} for each in said.errors[:16]]
    return Event("config", facts, "audit")


def _of(
    kept: StoredConfig,
    state: State,
    changed: tuple[str, ...],
    restarted: tuple[str, ...],
    *,
    running: int,
    lkg: int,
) -> Reported:
    return Reported(
        version=kept.version,
        sha256=kept.sha256,
        state=state,
        applied=changed[:MOST_CHANGES],
        more=len(changed) - MOST_CHANGES if len(changed) > MOST_CHANGES else None,
        restart=restarted,
        running=running,
        last_known_good=lkg,
        attempt=kept.attempt,
    )
