"""Fixtures of the survey's tests: the shipped example's site, and its form."""

from __future__ import annotations

from dataclasses import replace

from gateway.inventory.sections import build_inventory
from gateway.model.contacts import ContactConfig
from gateway.model.health import CameraHealth, State
from gateway.model.reasons import Reason
from gateway.mqtt.payloads.inventory import SECTIONS, parse_section, section_trees
from gateway.survey.answers import SiteForm
from gateway.survey.fill import SiteFacts, fill_form
from tests.fixtures.inventory import NOW_MS, sources

TECHNICIAN = ContactConfig(name="Nguyễn Văn A", phone="0222 000 0001", role="technical")


def facts() -> SiteFacts:
    """What is known of the example's site; nothing of its health, and no contact."""
    trees = section_trees(build_inventory(sources(), NOW_MS))
    known = SiteFacts("24", "bacninh-01", made_ms=NOW_MS)
    for name in SECTIONS.keys() & trees.keys():
        known = known.with_section(parse_section(name, trees[name]))
    return known


def form(**changes: object) -> SiteForm:
    """Return the form of it."""
    return fill_form(replace(facts(), **changes))  # type: ignore[arg-type]


def health(
    camera: str, state: State = "on", fps: float = 25.0, kbps: float = 2000.0
) -> CameraHealth:
    """Return a camera that answers and is watched."""
    return CameraHealth(id=camera, state=state, reason=Reason.OK, since_s=1.0, fps=fps, kbps=kbps)
