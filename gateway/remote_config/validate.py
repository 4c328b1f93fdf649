"""Whether a document from the centre may be tried: read, verified, valid, ours, newer, allowed.

Nothing is changed here. Every refusal names all that is wrong, with its place.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from gateway.config.check import secret_faults, site_faults
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import digest
from gateway.model.errors import ConfigRejected, Fault, MessageRejected
from gateway.mqtt.payloads.codec import read
from gateway.mqtt.payloads.config import MOST_VALUES, Desired, desired_of
from gateway.remote_config.diff import changes, forbidden_faults
from gateway.remote_config.document import DesiredConfig, broker_faults, parse_config
from gateway.remote_config.store import StoredConfig

Verify = Callable[[Mapping[str, object]], str]
"""Returns the id of the key that has signed a document, or raises MessageRejected."""


class ConfigValidator:
    """Judges documents for one gateway.

    Args:
        settings: Who it is, and what the centre may set.
        secrets: Those a document may refer to.
        verify: Looks at the signature.
    """

    def __init__(self, settings: Settings, secrets: Secrets, *, verify_signature: Verify) -> None:
        self._settings = settings
        self._secrets = secrets
        self._verify = verify_signature

    def verify(self, payload: bytes, content_type: str) -> tuple[Desired, str]:
        """Return the document in *payload* and the id of the key that has signed it.

        Raises:
            MessageRejected: It cannot be read, is not signed by a trusted key, or is for another
                gateway.
        """
        tree = read(payload, content_type, values=MOST_VALUES)
        key_id = self._verify(tree)
        desired = desired_of(tree)
        if desired.gateway != self._settings.gateway.id:
            message = f"it is for {desired.gateway}, this is {self._settings.gateway.id}"
            raise MessageRejected((Fault("/gw", "gw.other", message),))
        if not hmac.compare_digest(desired.sha256, digest(desired.doc)):
            raise MessageRejected((Fault("/sha256", "sha256", "it is not that of doc"),))
        return desired, key_id

    def validate(
        self, desired: Desired, running: DesiredConfig, *, base: int, newest: int
    ) -> StoredConfig:
        """Return *desired* as it may be tried.

        Args:
            desired: Verified.
            running: What runs now.
            base: Its version.
            newest: The highest version that was ever tried.

        Raises:
            ConfigRejected: With all that is wrong.
        """
        faults: list[Fault] = []
        if desired.version <= newest:
            message = f"{desired.version} is not newer than {newest}"
            faults.append(Fault("/ver", "version.old", message, {"newest": newest}))
        if desired.base is not None and desired.base != base:
            message = f"it was made from {desired.base}, but {base} runs"
            faults.append(Fault("/base", "version.base", message, {"running": base}))
        try:
            wanted = parse_config(desired.schema_id, desired.doc)
        except ConfigRejected as error:
            raise ConfigRejected((*faults, *error.faults)) from None
        inside = "/doc" if desired.schema_id == "config/1" else "/doc/site"
        faults += (
            Fault(inside + fault.at, fault.code, fault.message, fault.args)
            for fault in site_faults(self._settings, wanted.site, self._secrets)
        )
        faults += broker_faults(wanted, self._settings)
        if wanted.broker is not None and wanted.broker.password is not None:
            faults += secret_faults(self._secrets, wanted.broker.password, "/doc/broker/password")
        changed = changes(running, wanted)
        faults += forbidden_faults(changed, self._settings.remote.allow)
        if desired.rollback_s == 0 and any(place.startswith("/broker") for place in changed):
            message = "a change of the broker must be confirmed: from 10 to 3600"
            faults.append(Fault("/rollback_s", "range", message))
        if faults:
            raise ConfigRejected(tuple(faults))
        return StoredConfig.from_document(desired, wanted)
