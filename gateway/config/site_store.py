"""The installer's site document on disk: after a power cut the old or the new one is there.

The one before is kept as ``site.json.prev``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from gateway.config.documents import parse_site
from gateway.config.fault_wording import wording_of
from gateway.model.errors import ConfigRejected, Fault, faults_in, file_fault
from gateway.model.site_document import SiteConfig
from gateway.runtime import atomic_file

SITE_NAME = "site.json"
"""In the state folder."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedSite:
    """A site document and where it is from.

    Attributes:
        site: The document.
        origin: ``current``: site.json; ``previous``: site.json.prev; ``none``: neither is
            there, and the site has no cameras yet.
        faults: Why site.json could not be used; empty: it was, or is not there.
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
        self.path = folder / SITE_NAME
        self._previous = folder / f"{SITE_NAME}.prev"

    def load(self) -> LoadedSite:
        """Return the newest document that can be read, and log which one it is.

        Raises:
            ConfigRejected: site.json is broken and there is no site.json.prev.
        """
        faults: tuple[Fault, ...] = ()
        try:
            site = load_site(self.path)
        except ConfigRejected as error:
            faults = error.faults
        else:
            if site is not None:
                log.info("site_loaded", path=str(self.path), cameras=len(site.cameras))
                return LoadedSite(site, "current")
        return self._fall_back(faults)

    def save(self, site: SiteConfig, *, prepare: Callable[[int], None] | None = None) -> None:
        """Write *site* to site.json; on return it survives a power cut.

        Args:
            site: The whole document.
            prepare: As of `gateway.runtime.atomic_file.replace`.

        Raises:
            TransientError: The disk is full or read-only; what was there is untouched.
        """
        document = site.model_dump_json(by_alias=True, indent=2).encode() + b"\n"
        previous = self._previous if self._is_good() else None
        atomic_file.replace(self.path, document, previous=previous, prepare=prepare)

    def _fall_back(self, faults: tuple[Fault, ...]) -> LoadedSite:
        try:
            previous = load_site(self._previous)
        except ConfigRejected:
            previous = None
        if previous is not None:
            texts = [f"{each.vi} · {each.en}" for each in map(wording_of, faults)]
            log.error("site_fell_back", path=str(self._previous), faults=texts)
            return LoadedSite(previous, "previous", faults)
        if faults:
            raise ConfigRejected(faults, file=self.path)
        log.warning("site_missing", path=str(self.path), cameras=0)
        return LoadedSite(SiteConfig(), "none")

    def _is_good(self) -> bool:
        """Return whether site.json can be read, and so may become site.json.prev."""
        try:
            return load_site(self.path) is not None
        except ConfigRejected:
            return False


def load_site(path: Path) -> SiteConfig | None:
    """Return the site document in the file *path*, None if there is no such file.

    Raises:
        ConfigRejected: With all its faults.
    """
    with faults_in(path):
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigRejected((file_fault(path, error),)) from None
        return parse_site(raw)
