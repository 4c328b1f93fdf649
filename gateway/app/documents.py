"""What carries the monthly documents of this box, if any are configured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.app.broker import BrokerComponents
from gateway.config.secrets import Secrets
from gateway.config.settings import Settings
from gateway.config.signing import Keyring
from gateway.documents.deliveries import DeliveryStore
from gateway.documents.folder import DocumentFolder
from gateway.documents.https_source import DocumentServer, ServerLogin
from gateway.documents.inspection import inspect_document
from gateway.documents.service import DocumentService, DocumentSource, DocumentTrust
from gateway.enrolment.key_signature import BoxKey
from gateway.ports import Clock
from gateway.runtime.trusted_time import TrustedTime

STORED = "documents"
"""In the state folder."""


def document_service(
    settings: Settings,
    broker_parts: BrokerComponents,
    keys: Keyring,
    secrets: Secrets,
    *,
    time: TrustedTime,
    clock: Clock,
) -> DocumentService:
    """Return what carries documents; without kinds it does nothing.

    Raises:
        ConfigRejected: The password of the server cannot be read.
    """
    chosen, tls = settings.documents, settings.broker.tls
    key = Path() if tls is None or tls.key is None else settings.resolve_path(tls.key)

    def verify(tree: Mapping[str, object]) -> str:
        return keys.verify(tree, "doc")

    return DocumentService(
        chosen.kinds,
        source=_source_of(settings, secrets),
        store=DeliveryStore(settings.state.dir / STORED),
        trust=DocumentTrust(
            settings.gateway.province, settings.gateway.id, BoxKey(key).sign, verify
        ),
        inspect=inspect_document,
        outbox=broker_parts.outbox,
        wall_ms=time.now_ms,
        clock=clock,
        scan_s=chosen.scan_s,
    )


def _source_of(settings: Settings, secrets: Secrets) -> DocumentSource:
    """Return where files are put. Raises ConfigRejected."""
    chosen = settings.documents
    if chosen.url is None:
        return DocumentFolder(settings.resolve_path(chosen.folder or Path()))
    login = None
    if chosen.username is not None and chosen.password is not None:
        password = secrets.load(chosen.password, at="/documents/password", username=chosen.username)
        login = ServerLogin(chosen.username, password)
    ca_file = None if chosen.ca_file is None else settings.resolve_path(chosen.ca_file)
    return DocumentServer(chosen.url, chosen.networks, ca_file=ca_file, login=login)
