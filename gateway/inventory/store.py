"""The inventory on this machine's disk: as it was last told, so that a change is known as one.

Contacts are not in it; of them only by which digest they are known. A file that cannot be read is
as good as none: the inventory is then told anew.
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
        """Return the sections as they were last told; empty if nobody knows."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                return {}
            file = _StoredInventory.model_validate_json(self._path.read_bytes(), strict=True)
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.warning("inventory not read", path=str(self._path), detail=type(error).__name__)
            return {}
        return {
            name: SectionRevision(section.rev, section.sha, section.tree)
            for name, section in file.sections.items()
        }

    def save(self, revisions: Mapping[str, SectionRevision]) -> None:
        """Keep *editions*; on return they survive a power cut. Waits for the disk.

        A disk that is full or read-only is said; what was there is untouched.
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
            log.warning("inventory not stored", path=str(self._path), detail=error.detail)
