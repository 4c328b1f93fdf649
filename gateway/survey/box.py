"""The form of the site that this machine serves, from what stands on its disk and what runs on it.

What people have declared is read as it is now; what the gateway has observed is taken from the
inventory that it last stored, and the health of its cameras from itself, if it runs. Nothing is
written, and no camera is asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gateway.config.settings import Settings
from gateway.config.site_store import load_site
from gateway.inventory.contacts import load_contacts
from gateway.inventory.diff import carry_timestamps
from gateway.inventory.sections import Sources, build_inventory
from gateway.inventory.store import InventoryStore
from gateway.model.contacts import ContactConfig
from gateway.model.detected import DetectedDevice
from gateway.model.errors import ConfigRejected, MessageRejected, file_fault
from gateway.model.inventory import Observations
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.health import decode_health_line
from gateway.mqtt.payloads.inventory import (
    SECTIONS,
    SectionRevision,
    parse_observations,
    parse_section,
    section_trees,
)
from gateway.remote_config.store import ConfigStore
from gateway.runtime.status_query import HEALTH_BYTES, HEALTH_NAME, query_status
from gateway.survey.detected import MOST_BYTES, parse_detected
from gateway.survey.fill import SiteFacts

CONTACTS_FILE = "contacts.json"

Stored = Mapping[str, SectionRevision]


def load_facts(
    settings: Settings,
    now_ms: int,
    *,
    with_contacts: bool = True,
    detected: tuple[DetectedDevice, ...] = (),
) -> SiteFacts:
    """Return what this machine knows of its site. Blocks on the disk.

    Args:
        settings: Where its state is, and who it is.
        now_ms: Wall clock.
        with_contacts: Whether part I is filled, from ``contacts.json``; without the file it is
            empty.
        detected: What the last discovery on this machine has found.

    Raises:
        ConfigRejected: A document is broken, or others may read the contacts.
    """
    folder = settings.state.dir
    stored = InventoryStore(folder).load()
    networks = tuple(str(each) for each in settings.cameras.networks)
    sources = Sources(
        _load_site(folder), networks, observations=_observed(stored), detected=detected
    )
    trees = section_trees(build_inventory(sources, now_ms))
    facts = SiteFacts(
        province=settings.gateway.province,
        scheme=settings.gateway.province_scheme,
        gateway=settings.gateway.id,
        made_ms=now_ms,
        contacts=_load_contacts(folder) if with_contacts else None,
    )
    for name in SECTIONS.keys() & trees.keys():
        facts = facts.with_section(parse_section(name, _dated(name, trees[name], stored)))
    return facts if stored else _unobserved(facts)


def with_detected(facts: SiteFacts, path: Path) -> SiteFacts:
    """Return *facts* with what ``camera-gateway discover --json`` has written to *path*.

    Raises:
        ConfigRejected: It cannot be read, or a line of it is wrong.
    """
    try:
        with path.open("rb") as file:
            raw, found_s = file.read(MOST_BYTES + 1), os.fstat(file.fileno()).st_mtime
    except OSError as error:
        raise ConfigRejected((file_fault(path, error),)) from None
    return replace(facts, detected=parse_detected(raw, max(0, int(found_s * 1000))))


def with_health(facts: SiteFacts, runtime: Path, within_s: float) -> SiteFacts:
    """Return *facts* with the health that the gateway which runs here tells; none: as they are.

    Args:
        facts: Of this machine's site.
        runtime: The gateway's runtime folder.
        within_s: How long it may take.
    """
    try:
        line = query_status(runtime, within_s, name=HEALTH_NAME, most_bytes=HEALTH_BYTES)
        stamp, site, cameras = decode_health_line(line)
    except (OSError, MessageRejected):  # it does not run, or is of another release
        return facts
    return replace(
        facts, health=cameras, health_ms=stamp.time_ms or facts.made_ms, rtt_ms=site.link.rtt_ms
    )


def _load_site(folder: Path) -> SiteConfig:
    """Return the centre's confirmed document, or else the installer's; neither: an empty site."""
    confirmed, _ = ConfigStore(folder).load_confirmed()
    if confirmed is not None:
        return confirmed.config.site
    return load_site(folder / "site.json") or SiteConfig()


def _observed(stored: Stored) -> Observations:
    """Return what *stored* says has been observed; empty if it cannot be read."""
    cameras = stored.get("cams")
    if cameras is None:
        return {}
    try:
        return parse_observations(cameras.tree)
    except MessageRejected:
        return {}


def _dated(name: str, tree: Mapping[str, object], stored: Stored) -> Mapping[str, object]:
    """Return *tree* with the times since when each value has been so, as far as *stored* knows."""
    if name not in stored:
        return tree
    dated = carry_timestamps(tree, stored[name].tree)
    return dated if isinstance(dated, dict) else tree


def _unobserved(facts: SiteFacts) -> SiteFacts:
    """Return *facts* of a gateway that has never run: none seen is not the same as none there."""
    counts = facts.site.camera_count.model_copy(update={"observed": None})
    return replace(facts, site=facts.site.model_copy(update={"camera_count": counts}))


def _load_contacts(folder: Path) -> tuple[ContactConfig, ...]:
    found = load_contacts(folder / CONTACTS_FILE)
    return () if found is None else found.contacts
