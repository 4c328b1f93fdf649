"""Opens the centre's side of enrolment from its settings, for commands and the console."""

from __future__ import annotations

from pathlib import Path

from gateway.centre.enrolment.authority import Authority, load_authority
from gateway.centre.enrolment.registry import SiteRegistry, load_code_key
from gateway.centre.enrolment.settings import EnrolmentSettings
from gateway.centre.enrolment.tables import open_database

CA_FOLDER = "ca"


def ca_folder(settings: EnrolmentSettings) -> Path:
    """Return where the authority lies."""
    return settings.folder / CA_FOLDER


def open_authority(settings: EnrolmentSettings) -> Authority:
    """Return the authority. Raises ConfigRejected."""
    return load_authority(ca_folder(settings))


def open_registry(settings: EnrolmentSettings) -> SiteRegistry:
    """Return the sites; the database is made or migrated if need be.

    Raises:
        ConfigRejected: It cannot be opened.
        TransientError: The disk takes nothing.
    """
    return SiteRegistry(open_database(settings.database_url), load_code_key(settings.folder))
