"""The inventory on the disk, as it was last published, so that changes are found after a restart.

Of the contacts only the digest is in it. A file that cannot be read counts as empty: all sections
are then new.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog
from pydantic import Field, JsonValue, ValidationError

from gateway.model.document import Document
from gateway.model.errors import TransientError
from gateway.mqtt.payloads.inventory import SectionRevision
from gateway.runtime import atomic_file

log = structlog.get_logger(__name__)

MAX_BYTES = 8_388_608
"""Largest file that is read."""


class _StoredSection(Document):
    rev: int
    sha: str
    tree: dict[str, JsonValue]


class _StoredInventory(Document):
    sections: dict[str, _StoredSection] = Field(default_factory=dict)


class InventoryStore:
    """``inventory.json`` in the state folder.

    Args:
        folder: The state folder; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "inventory.json"

    def load(self) -> dict[str, SectionRevision]:
        """Return the stored sections; empty if there is no file or it cannot be read."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                return {}
            file = _StoredInventory.model_validate_json(self._path.read_bytes(), strict=True)
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.warning("inventory_load_failed", path=str(self._path), detail=type(error).__name__)
            return {}
        return {
            name: SectionRevision(section.rev, section.sha, section.tree)
            for name, section in file.sections.items()
        }

    def save(self, revisions: Mapping[str, SectionRevision]) -> None:
        """Replace the file by *revisions*; on return they survive a power cut. Blocks on the disk.

        A disk that is full or read-only is logged, and the old file stays.
        """
        file = _StoredInventory.model_validate(
            {
                "sections": {
                    name: {"rev": each.rev, "sha": each.sha, "tree": dict(each.tree)}
                    for name, each in revisions.items()
                }
            }
        )
        try:
            atomic_file.replace(self._path, file.model_dump_json().encode())
        except TransientError as error:
            log.warning("inventory_store_failed", path=str(self._path), detail=error.detail)
