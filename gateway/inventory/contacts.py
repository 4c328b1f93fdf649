"""The site's contact persons, from a private file, where the settings allow it.

They are read at each use, and never kept in memory, logged or put into an error.
"""

from __future__ import annotations

import stat
from pathlib import Path

import structlog
from pydantic import ValidationError

from gateway.config.documents import faults_of, parse_json
from gateway.model.contacts import Contacts
from gateway.model.errors import ConfigRejected, Fault, file_fault

log = structlog.get_logger(__name__)


def load_contacts(path: Path) -> Contacts | None:
    """Return the contacts in the file *path*; None if there is no such file.

    Raises:
        ConfigRejected: With every fault and its place, without the values.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            message = "only its owner may read it (chmod 600)"
            raise ConfigRejected((Fault("", "secret.permissions", message),))
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigRejected((file_fault(path, error),)) from None
    parse_json(raw)  # its faults about size, encoding and syntax are the better ones
    try:
        return Contacts.model_validate_json(raw, strict=True)
    except ValidationError as error:
        faults = faults_of(error, Contacts)
        raise ConfigRejected(tuple(_without_values(fault) for fault in faults)) from None


class ContactsFile:
    """``contacts.json`` in the state folder.

    Args:
        path: Where it is.
        allowed: Whether the settings allow to send it.
    """

    def __init__(self, path: Path, *, allowed: bool) -> None:
        self._path = path
        self._allowed = allowed
        self._is_reported = False

    def load(self) -> Contacts | None:
        """Return the contacts; None: not allowed, not there, or broken, which is logged once."""
        if not self._allowed:
            return None
        try:
            contacts = load_contacts(self._path)
        except ConfigRejected as error:
            if not self._is_reported:
                faults = [f"{fault.at or '/'} {fault.code}" for fault in error.faults]
                log.error("contacts_load_failed", path=str(self._path), faults=faults)
            self._is_reported = True
            return None
        self._is_reported = False
        return contacts


def _without_values(fault: Fault) -> Fault:
    """Return *fault* without the given value, which is about a person."""
    return Fault(fault.at, fault.code, "this is not as it must be")
