"""What is reported of a configuration at each step, and what the audit is told. Pure functions."""

from __future__ import annotations

from gateway.model.errors import Fault
from gateway.model.event import Event
from gateway.mqtt.payloads.config import (
    MAX_CHANGES,
    Desired,
    Reported,
    State,
    Why,
    reported_faults,
)
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import StoredConfig


def current(state: ConfigState) -> Reported:
    """Return what is reported while no rollout says more."""
    if state.candidate is not None:
        return applying(state.candidate, (), state.last_known_good)
    undone = state.last_rollback
    if undone is not None and (undone.version or 0) > state.last_known_good:
        return undone
    return _settled(state)


def of_known(document: Desired, state: ConfigState) -> Reported:
    """Return what is reported of *document*, which is known and is not the candidate."""
    confirmed = state.confirmed
    runs = confirmed is not None and confirmed.matches(document.version, document.sha256)
    return _settled(state) if runs or state.last_rollback is None else state.last_rollback


def applying(candidate: StoredConfig, changed: tuple[str, ...], last_known_good: int) -> Reported:
    """*candidate* is about to be in effect, or is and has yet to prove itself."""
    return _of(
        candidate, "applying", changed, (), running=last_known_good, last_known_good=last_known_good
    )


def pending_confirm(
    candidate: StoredConfig,
    changed: tuple[str, ...],
    restarted: tuple[str, ...],
    last_known_good: int,
    nonce: str,
) -> Reported:
    """*candidate* is in effect and healthy; the centre may confirm it, repeating *nonce*."""
    report = _of(
        candidate,
        "pending_confirm",
        changed,
        restarted,
        running=candidate.version,
        last_known_good=last_known_good,
    )
    return report.model_copy(update={"nonce": nonce})


def applied(
    stored: StoredConfig | None,
    changed: tuple[str, ...],
    restarted: tuple[str, ...],
    *,
    faults: tuple[Fault, ...] = (),
) -> Reported:
    """*stored* is confirmed; None: the installer's runs. *faults*: why no newer one does."""
    if stored is None:
        return Reported(version=0, state="applied", errors=reported_faults(faults))
    version = stored.version
    report = _of(stored, "applied", changed, restarted, running=version, last_known_good=version)
    return report.model_copy(update={"errors": reported_faults(faults)})


def rolled_back(candidate: StoredConfig, why: Why, detail: str, last_known_good: int) -> Reported:
    """*candidate* is undone, and version *last_known_good* is in effect again."""
    return Reported(
        version=candidate.version,
        sha256=candidate.sha256,
        state="rolled_back",
        why=why,
        detail=detail[:400] or None,
        attempt=candidate.attempt,
        running=last_known_good,
        last_known_good=last_known_good,
    )


def superseded(document: Desired, *, running: int, last_known_good: int) -> Reported:
    """A newer document has come before *document* was confirmed, or rolled out at all."""
    return Reported(
        version=document.version,
        sha256=document.sha256,
        state="superseded",
        running=running,
        last_known_good=last_known_good,
    )


def rejected(document: Desired | None, faults: tuple[Fault, ...], state: ConfigState) -> Reported:
    """*document* changes nothing; None: it could not be read."""
    return Reported(
        version=None if document is None else document.version,
        sha256=None if document is None else document.sha256,
        state="rejected",
        errors=reported_faults(faults),
        running=state.version,
        last_known_good=state.last_known_good,
    )


def accepted_event(document: Desired, key_id: str) -> Event:
    """Return for the audit who has signed the document whose rollout begins."""
    facts = {
        "ver": document.version,
        "sha256": document.sha256,
        "act": "taken",
        "kid": key_id,
        "issuer": document.issuer,
        "reason": document.reason,
    }
    return Event("config", facts, "audit")


def outcome_event(report: Reported, *, unrecorded: int = 0) -> Event:
    """Return for the audit what became of a document.

    Args:
        report: Its last report.
        unrecorded: How many rejections before it were not recorded.
    """
    facts: dict[str, object] = {"ver": report.version, "sha256": report.sha256, "act": report.state}
    if report.why is not None:
        facts["why"] = report.why
    if unrecorded:
        facts["untold"] = unrecorded
    if report.errors:
        facts["errors"] = [{"at": each.at, "code": each.code} for each in report.errors[:16]]
    return Event("config", facts, "audit")


def _settled(state: ConfigState) -> Reported:
    return applied(state.confirmed, (), (), faults=state.faults)


def _of(
    stored: StoredConfig,
    state: State,
    changed: tuple[str, ...],
    restarted: tuple[str, ...],
    *,
    running: int,
    last_known_good: int,
) -> Reported:
    return Reported(
        version=stored.version,
        sha256=stored.sha256,
        state=state,
        applied=changed[:MAX_CHANGES],
        more=len(changed) - MAX_CHANGES if len(changed) > MAX_CHANGES else None,
        restart=restarted,
        running=running,
        last_known_good=last_known_good,
        attempt=stored.attempt,
    )
