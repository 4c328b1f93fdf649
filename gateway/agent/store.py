"""The site document on this machine's disk: there after any power cut, old or new, never neither.

Writing is: a new file, synced; the document in force becomes ``site.json.prev``; the new one takes
its name; the folder is synced. Each step is atomic, so that reading finds a whole document after
a cut at any of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from gateway.agent.documents import parse_site
from gateway.model.config import SiteConfig
from gateway.model.errors import ConfigRejected, Fault, TransientError
from gateway.model.reasons import Reason

log = structlog.get_logger(__name__)

_REASONS = {errno.ENOSPC: Reason.DISK_FULL, errno.EDQUOT: Reason.DISK_FULL}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found.

    Attributes:
        site: To be run.
        origin: From ``site.json``, from its predecessor, or from nowhere: no cameras yet.
        faults: Why ``site.json`` itself could not be used; empty if it was, or is not there.
    """

    site: SiteConfig
    origin: Literal["current", "previous", "none"]
    faults: tuple[Fault, ...] = ()


class SiteStore:
    """``site.json`` in the state folder and its predecessor.

    Args:
        folder: The state folder; made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "site.json"
        self._previous = folder / "site.json.prev"

    def load(self) -> Loaded:
        """Return the newest document that can be used, and say aloud which one it is.

        Raises:
            ConfigRejected: ``site.json`` is broken and there is no predecessor to fall back on.
        """
        faults: tuple[Fault, ...] = ()
        try:
            site = read_site(self.path)
        except ConfigRejected as error:
            faults = error.faults
        else:
            if site is not None:
                log.info("site", path=str(self.path), cameras=len(site.cameras))
                return Loaded(site, "current")
        return self._fall_back(faults)

    def save(self, site: SiteConfig) -> None:
        """Put *site* in force on disk; on return it survives a power cut.

        Raises:
            TransientError: The disk is full or read-only; what was there is untouched.
        """
        document = site.model_dump_json(by_alias=True, indent=2).encode() + b"\n"
        try:
            self._replace(document)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, Reason.DISK_READONLY)
            raise TransientError(reason, f"cannot write {self.path}: {error.strerror}") from None

    def _fall_back(self, faults: tuple[Fault, ...]) -> Loaded:
        try:
            previous = read_site(self._previous)
        except ConfigRejected:
            previous = None
        if previous is not None:
            told = [str(fault) for fault in faults]
            log.error("site_previous", path=str(self._previous), faults=told)
            return Loaded(previous, "previous", faults)
        if faults:
            raise ConfigRejected(faults)
        log.warning("site_missing", path=str(self.path), cameras=0)
        return Loaded(SiteConfig(), "none")

    def _replace(self, document: bytes) -> None:
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        new, link = folder / ".site.json.new", folder / ".site.json.link"
        try:
            _write_synced(new, document)
            if self._is_good():
                link.unlink(missing_ok=True)
                os.link(self.path, link)
                link.replace(self._previous)
            new.replace(self.path)
        finally:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
        _sync_folder(folder)

    def _is_good(self) -> bool:
        """Return whether the document in force may push out its predecessor."""
        try:
            return read_site(self.path) is not None
        except ConfigRejected:
            return False


def read_site(path: Path) -> SiteConfig | None:
    """Return the site document in the file *path*, None if there is no such file.

    Raises:
        ConfigRejected: With all its faults.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigRejected((Fault("", "file", message),)) from None
    return parse_site(raw)


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=_open_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
