"""Decides which documents of the centre may be rolled out: verified, valid, newer, allowed.

Nothing is changed here. Every refusal names all that is wrong, with its place.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.config.check import refusals, site_faults
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import digest
from gateway.model.errors import ConfigRejected, Fault, refuse
from gateway.mqtt.payloads.codec import decode_tree
from gateway.mqtt.payloads.config import (
    LONGEST_S,
    MAX_VALUES,
    UNDATED_S,
    Confirm,
    Desired,
    decode_confirm_tree,
    parse_confirm,
    parse_desired,
)
from gateway.remote_config.diff import changes, forbidden_faults
from gateway.remote_config.document import DesiredConfig, broker_faults, parse_config
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import StoredConfig
from gateway.runtime.trusted_time import TrustedTime

AHEAD_MS = 366 * 86_400_000
"""A version may be a count or a time in ms. It is at most so far above now, which moves on: so no
document can make all later ones older."""

VerifySignature = Callable[[Mapping[str, object]], str]
"""Returns the id of the key that has signed a document; raises MessageRejected, or TransientError,
when that cannot be told now."""


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """A document for this gateway, signed by a trusted key; its content is not yet validated."""

    document: Desired
    key_id: str


class ConfigValidator:
    """Validates documents for one gateway.

    Args:
        settings: Who it is, and what the centre may set.
        secrets: Those a document may refer to.
        verify_signature: Checks the signature.
        time: The wall clock as far as it can be trusted.
    """

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        *,
        verify_signature: VerifySignature,
        time: TrustedTime,
    ) -> None:
        self._time = time
        self._settings = settings
        self._secrets = secrets
        self._verify_signature = verify_signature

    def verify(self, payload: bytes, content_type: str) -> VerifiedDocument:
        """Return the document in *payload*.

        Raises:
            MessageRejected: It cannot be read, is not signed by a trusted key, or is for another
                gateway.
        """
        tree = decode_tree(payload, content_type, values=MAX_VALUES)
        key_id = self._verify_signature(tree)
        document = parse_desired(tree)
        self._refuse_of_another(document.gateway)
        if not hmac.compare_digest(document.sha256, digest(document.doc)):
            refuse("sha256", "it is not that of doc", "/sha256")
        return VerifiedDocument(document, key_id)

    def verify_decision(self, payload: bytes, content_type: str) -> Confirm:
        """Return the decision in *payload*. Raises MessageRejected, as `verify`."""
        tree = decode_confirm_tree(payload, content_type)
        self._verify_signature(tree)
        decision = parse_confirm(tree)
        self._refuse_of_another(decision.gateway)
        return decision

    def _refuse_of_another(self, gateway: str) -> None:
        if gateway != self._settings.gateway.id:
            message = f"it is for {gateway}, this is {self._settings.gateway.id}"
            refuse("gw.other", message, "/gw")

    def validate(self, document: Desired, state: ConfigState) -> StoredConfig:
        """Return *document*, which is verified, as it may be rolled out after *state*.

        Raises:
            ConfigRejected: With all that is wrong.
        """
        faults: list[Fault] = [*self._period_faults(document)]
        highest = self._time.now_ms() + AHEAD_MS
        newest = state.newest_version(highest)
        if document.version > highest:
            message = f"{document.version} is above {highest}; count, or use the time in ms"
            faults.append(Fault("/ver", "version.future", message, {"max": highest}))
        elif document.version <= newest:
            faults.append(version_fault(document.version, newest))
        if document.base is not None and document.base != state.version:
            message = f"it was made from {document.base}, but {state.version} runs"
            faults.append(Fault("/base", "version.base", message, {"running": state.version}))
        try:
            config = parse_config(document.schema_id, document.doc)
        except ConfigRejected as error:
            raise ConfigRejected((*faults, *error.faults)) from None
        faults += self._local_faults(document, config)
        changed = changes(state.running, config)
        faults += forbidden_faults(changed, self._settings.remote.allow)
        if document.rollback_s == 0 and any(place.startswith("/broker") for place in changed):
            message = "a change of the broker must be confirmed: from 10 to 3600"
            faults.append(Fault("/rollback_s", "range", message))
        if faults:
            raise ConfigRejected(tuple(faults))
        return StoredConfig.from_document(document, config)

    def _period_faults(self, document: Desired) -> Iterator[Fault]:
        """Yield why *document* is not good now; one without dates has those of its issue."""
        begins_ms = document.issued_ms if document.not_before_ms is None else document.not_before_ms
        if begins_ms is None:
            yield Fault("/nbf_ms", "time.missing", "it must say from when to when it is good")
            return
        ends_ms = document.expires_ms
        if ends_ms is None:
            ends_ms = begins_ms + UNDATED_S * 1000
        yield from self._time.period_faults(
            begins_ms, ends_ms, longest_ms=LONGEST_S * 1000, at=("/nbf_ms", "/exp_ms")
        )

    def _local_faults(self, document: Desired, config: DesiredConfig) -> Iterator[Fault]:
        """Yield what cannot be on this machine: its networks, its secrets, its broker."""
        inside = "/doc" if document.schema_id == "config/1" else "/doc/site"
        for fault in site_faults(self._settings, config.site, self._secrets):
            yield Fault(inside + fault.at, fault.code, fault.message, fault.args)
        yield from broker_faults(config, self._settings)
        broker = config.broker
        if broker is not None and (password := broker.password) is not None:
            load = self._secrets.load_for_broker
            at = "/doc/broker/password"
            yield from refusals(partial(load, password, broker.host, at=at))


def version_fault(version: int, newest: int) -> Fault:
    """Return the fault of a document of *version* after one of *newest*."""
    message = f"{version} is not newer than {newest}"
    return Fault("/ver", "version.old", message, {"newest": newest})
