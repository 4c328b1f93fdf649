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
from gateway.mqtt.payloads.config import MAX_VALUES, Desired, parse_desired
from gateway.remote_config.diff import changes, forbidden_faults
from gateway.remote_config.document import DesiredConfig, broker_faults, parse_config
from gateway.remote_config.state import ConfigState
from gateway.remote_config.store import StoredConfig

VerifySignature = Callable[[Mapping[str, object]], str]
"""Returns the id of the key that has signed a document, or raises MessageRejected."""


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
    """

    def __init__(
        self, settings: Settings, secrets: Secrets, *, verify_signature: VerifySignature
    ) -> None:
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
        if document.gateway != self._settings.gateway.id:
            message = f"it is for {document.gateway}, this is {self._settings.gateway.id}"
            refuse("gw.other", message, "/gw")
        if not hmac.compare_digest(document.sha256, digest(document.doc)):
            refuse("sha256", "it is not that of doc", "/sha256")
        return VerifiedDocument(document, key_id)

    def validate(self, document: Desired, state: ConfigState) -> StoredConfig:
        """Return *document*, which is verified, as it may be rolled out after *state*.

        Raises:
            ConfigRejected: With all that is wrong.
        """
        faults: list[Fault] = []
        if document.version <= state.newest_version:
            faults.append(version_fault(document.version, state.newest_version))
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
