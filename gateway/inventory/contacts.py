"""Whom to call: read from a private file when asked for, and only where the settings allow it.

Nothing of it is kept in memory, logged, or said in an error.
"""

from __future__ import annotations

import stat
from pathlib import Path

import structlog
from pydantic import ValidationError

from gateway.config.documents import faults_of, parse_json
from gateway.model.contacts import Contacts
from gateway.model.errors import ConfigRejected, Fault

log = structlog.get_logger(__name__)


def load_contacts(path: Path) -> Contacts | None:
    """Return the contacts in the file *path*; None if there is no such file.

    Raises:
        ConfigRejected: With every fault, by its place; what was given is not said.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            message = "only its owner may read it (chmod 600)"
            raise ConfigRejected((Fault("", "secret.permissions", message),))
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigRejected((Fault("", "file", message),)) from None
    parse_json(raw)  # says size, encoding and syntax better
    try:
        return Contacts.model_validate_json(raw, strict=True)
    except ValidationError as error:
        faults = faults_of(error, Contacts)
        raise ConfigRejected(tuple(_without_values(fault) for fault in faults)) from None


class ContactsFile:
    """``contacts.json`` in the state folder, where the settings let it be told.

    Args:
        path: Where it is.
        allowed: Whether anybody may hear of it.
    """

    def __init__(self, path: Path, *, allowed: bool) -> None:
        self._path = path
        self._allowed = allowed
        self._is_reported = False

    def load(self) -> Contacts | None:
        """Return the contacts; None: not allowed, not there, or broken, which is said once."""
        if not self._allowed:
            return None
        try:
            contacts = load_contacts(self._path)
        except ConfigRejected as error:
            if not self._is_reported:
                told = [f"{fault.at or '/'} {fault.code}" for fault in error.faults]
                log.error("contacts not read", path=str(self._path), faults=told)
            self._is_reported = True
            return None
        self._is_reported = False
        return contacts


def _without_values(fault: Fault) -> Fault:
    """Return *fault* without what was given: it is about a person."""
    return Fault(fault.at, fault.code, "this is not as it must be")
