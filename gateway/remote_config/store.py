"""The centre's configuration on this machine's disk: ``config.json``, and one that is being tried.

``candidate.json`` is a document from before it is applied until it is confirmed; then it takes the
name ``config.json``, which is one rename. One that is undone is noted in ``verdict.json`` first
and then removed, so that it is never tried again. At whatever moment the machine dies, reading
finds the old document or the new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

import structlog
from pydantic import Field, JsonValue, ValidationError

from gateway.model.errors import ConfigRejected, Fault, MessageRejected, TransientError
from gateway.model.names import CameraId
from gateway.model.site_document import Document
from gateway.mqtt.payloads.config import Desired, Reported, desired_of
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.runtime import atomic_file

LARGEST_BYTES = 2_097_152

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """A configuration as it lies on the disk.

    Attributes:
        desired: The signed document.
        wanted: What it says.
        attempt: How often it has been begun.
        before: Cameras that worked before it was.
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
        """Return whether it is this one: the same may be sent again under another version."""
        return (self.version, self.sha256) == (version, sha256)

    @classmethod
    def from_document(cls, desired: Desired, wanted: DesiredConfig) -> Self:
        """Return *desired*, which says *wanted*; the site then has the document's version."""
        site = wanted.site.model_copy(update={"version": desired.version})
        return cls(desired, wanted.model_copy(update={"site": site}))


class _File(Document):
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    before: Annotated[tuple[CameraId, ...], Field(max_length=512)] = ()
    document: dict[str, JsonValue]


class ConfigStore:
    """The centre's configuration in the state folder. Everything here waits for the disk.

    Args:
        folder: The state folder; made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self._confirmed = folder / "config.json"
        self._previous = folder / "config.json.prev"
        self._candidate = folder / "candidate.json"
        self._verdict = folder / "verdict.json"

    def load_confirmed(self) -> tuple[StoredConfig | None, tuple[Fault, ...]]:
        """Return the newest confirmed document that can be used, and why no newer one can."""
        faults: list[Fault] = []
        for path in (self._confirmed, self._previous):
            try:
                kept = _read(path)
            except ConfigRejected as error:
                faults += error.faults
                continue
            if kept is not None:
                return kept, tuple(faults)
        return None, tuple(faults)

    def load_candidate(self) -> StoredConfig | None:
        """Return the document that was being tried when the machine or the program died."""
        try:
            return _read(self._candidate)
        except ConfigRejected:
            return None

    def load_last_rollback(self) -> Reported | None:
        """Return what became of the last document that was undone; None: nothing was."""
        try:
            return Reported.model_validate_json(self._verdict.read_bytes()[:LARGEST_BYTES])
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.error("verdict not read", path=str(self._verdict), detail=type(error).__name__)
            return None

    def save_candidate(self, kept: StoredConfig) -> None:
        """Note that *kept* is being tried. Raises TransientError: the disk does not take it."""
        file = _File(
            attempt=kept.attempt,
            before=tuple(sorted(kept.working_before)),
            document=kept.document.model_dump(mode="json", by_alias=True),
        )
        atomic_file.replace(self._candidate, file.model_dump_json().encode() + b"\n")

    def confirm_candidate(self) -> None:
        """What is being tried is what runs from now on. Raises TransientError."""
        try:
            good = _read(self._confirmed) is not None
        except ConfigRejected:  # it must not push out its predecessor, which runs
            good = False
        previous = self._previous if good else None
        atomic_file.rename(self._candidate, self._confirmed, previous=previous)

    def roll_back_candidate(self, verdict: Reported) -> None:
        """What is being tried is over, for the reason in *verdict*. Raises TransientError."""
        content = verdict.model_dump_json(by_alias=True, exclude_none=True)
        atomic_file.replace(self._verdict, content.encode() + b"\n")
        atomic_file.remove(self._candidate)


def resume_candidate(
    kept: ConfigStore, confirmed: StoredConfig | None, *, crashes: int
) -> StoredConfig | None:
    """Return what is being tried, at the start of the program.

    What is being tried and has been begun too often is undone: it may be what ends the program.

    Args:
        kept: The disk.
        confirmed: What is gone back to.
        crashes: How many beginnings are too many.
    """
    candidate, verdict = kept.load_candidate(), kept.load_last_rollback()
    if candidate is None:
        return None
    lkg = 0 if confirmed is None else confirmed.version
    again = replace(candidate, attempt=candidate.attempt + 1)
    try:
        if verdict is not None and candidate.matches(verdict.version, verdict.sha256):
            kept.roll_back_candidate(verdict)  # said already, but not yet removed
            return None
        if candidate.attempt >= crashes:
            log.error("config_rolled_back", version=candidate.version, why="crash_loop")
            kept.roll_back_candidate(crash_loop(candidate, lkg))
            return None
        kept.save_candidate(again)
    except TransientError as error:  # without a count it must not be begun again
        log.error("candidate_left", version=candidate.version, detail=error.detail)
        return None
    return again


def crash_loop(kept: StoredConfig, lkg: int) -> Reported:
    """Return that *kept* was undone because the program did not live long enough under it."""
    return Reported(
        version=kept.version,
        sha256=kept.sha256,
        state="rolled_back",
        why="crash_loop",
        attempt=kept.attempt,
        running=lkg,
        last_known_good=lkg,
    )


def _read(path: Path) -> StoredConfig | None:
    """Return what lies in *path*; None: nothing does. Raises ConfigRejected: it is of no use."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError("too large")
        file = _File.model_validate_json(path.read_bytes(), strict=True)
        desired = desired_of(dict(file.document))
        wanted = parse_config(desired.schema_id, desired.doc)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError, MessageRejected, ConfigRejected) as error:
        detail = getattr(error, "detail", type(error).__name__)
        log.error("config_unusable", path=str(path), detail=detail)
        message = f"{path.name} cannot be used, what was confirmed before it runs: {detail}"
        raise ConfigRejected((Fault("", "file", message),)) from None
    kept = StoredConfig.from_document(desired, wanted)
    return replace(kept, attempt=file.attempt, working_before=frozenset(file.before))
