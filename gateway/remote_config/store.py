"""The centre's documents on this machine's disk: the confirmed one, and the candidate.

``candidate.json`` is there from before a document is applied until it is confirmed; then it is
renamed to ``config.json``, in one step. A rollback is written to ``last_rollback.json`` before the
candidate is removed, so that it is never tried again. At whatever moment the machine dies, the next
start finds the old document or the new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

import structlog
from pydantic import Field, JsonValue, ValidationError

from gateway.model.errors import ConfigRejected, Fault, MessageRejected
from gateway.model.names import CameraId
from gateway.model.site_document import Document
from gateway.mqtt.payloads.config import Desired, Reported, parse_desired
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.runtime import atomic_file

LARGEST_BYTES = 2_097_152

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """A document of the centre as it is on the disk.

    Attributes:
        document: As it was signed.
        config: What it asks for.
        attempt: 1, and one more for each start of the program while it was unconfirmed.
        working_before: Ids of the cameras that worked before its rollout.
    """

    document: Desired
    config: DesiredConfig
    attempt: int = 1
    working_before: frozenset[str] = frozenset()

    @property
    def version(self) -> int:
        return self.document.version

    @property
    def sha256(self) -> str:
        return self.document.sha256

    def matches(self, version: int | None, sha256: str | None) -> bool:
        """Return whether it has this name; the same content may have several versions."""
        return (self.version, self.sha256) == (version, sha256)

    @classmethod
    def from_document(cls, document: Desired, config: DesiredConfig) -> Self:
        """Return *document* with its *config*, whose site gets the document's version."""
        site = config.site.model_copy(update={"version": document.version})
        return cls(document, config.model_copy(update={"site": site}))


class _File(Document):
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    before: Annotated[tuple[CameraId, ...], Field(max_length=512)] = ()
    document: dict[str, JsonValue]


class ConfigStore:
    """The centre's documents in the state folder. Every method blocks until the disk is done.

    Args:
        folder: The state folder; made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self._confirmed = folder / "config.json"
        self._previous = folder / "config.json.prev"
        self._candidate = folder / "candidate.json"
        self._last_rollback = folder / "last_rollback.json"
        self._former_last_rollback = folder / "verdict.json"  # its name until 0.2

    def load_confirmed(self) -> tuple[StoredConfig | None, tuple[Fault, ...]]:
        """Return the newest confirmed document that can be read, and why no newer one can."""
        faults: list[Fault] = []
        for path in (self._confirmed, self._previous):
            try:
                stored = _load(path)
            except ConfigRejected as error:
                faults += error.faults
                continue
            if stored is not None:
                return stored, tuple(faults)
        return None, tuple(faults)

    def load_candidate(self) -> StoredConfig | None:
        """Return the document that was neither confirmed nor rolled back; None: there is none."""
        try:
            return _load(self._candidate)
        except ConfigRejected:
            return None

    def load_last_rollback(self) -> Reported | None:
        """Return what was reported of the last rollback; None: there was none."""
        for path in (self._last_rollback, self._former_last_rollback):
            try:
                return Reported.model_validate_json(path.read_bytes()[:LARGEST_BYTES])
            except FileNotFoundError:
                continue
            except (OSError, ValidationError) as error:
                detail = type(error).__name__
                log.error("last_rollback_unreadable", path=str(path), detail=detail)
                return None
        return None

    def save_candidate(self, candidate: StoredConfig) -> None:
        """Write *candidate*, whose rollout begins. Raises TransientError: the disk fails."""
        file = _File(
            attempt=candidate.attempt,
            before=tuple(sorted(candidate.working_before)),
            document=candidate.document.model_dump(mode="json", by_alias=True),
        )
        atomic_file.replace(self._candidate, file.model_dump_json().encode() + b"\n")

    def confirm_candidate(self) -> None:
        """Make the candidate the confirmed document. Raises TransientError: the disk fails."""
        try:
            good = _load(self._confirmed) is not None
        except ConfigRejected:  # it must not push out its predecessor, which runs
            good = False
        previous = self._previous if good else None
        atomic_file.rename(self._candidate, self._confirmed, previous=previous)

    def roll_back_candidate(self, report: Reported) -> None:
        """Write *report*, then remove the candidate. Raises TransientError: the disk fails."""
        content = report.model_dump_json(by_alias=True, exclude_none=True)
        atomic_file.replace(self._last_rollback, content.encode() + b"\n")
        atomic_file.remove(self._candidate)


def _load(path: Path) -> StoredConfig | None:
    """Return the document in *path*; None: no such file. Raises ConfigRejected: unreadable."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError("too large")
        file = _File.model_validate_json(path.read_bytes(), strict=True)
        document = parse_desired(dict(file.document))
        config = parse_config(document.schema_id, document.doc)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError, MessageRejected, ConfigRejected) as error:
        detail = getattr(error, "detail", type(error).__name__)
        log.error("config_unusable", path=str(path), detail=detail)
        message = f"{path.name} cannot be used, what was confirmed before it runs: {detail}"
        raise ConfigRejected((Fault("", "file", message),)) from None
    stored = StoredConfig.from_document(document, config)
    return replace(stored, attempt=file.attempt, working_before=frozenset(file.before))
