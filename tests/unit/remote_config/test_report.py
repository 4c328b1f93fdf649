"""What is said of documents, and what is put down for the audit, however many come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.model.errors import Fault
from gateway.model.site_document import SiteConfig
from gateway.mqtt.payloads.codec import Stamp, read
from gateway.mqtt.payloads.config import desired_of
from gateway.mqtt.topics import Topics
from gateway.remote_config.document import DesiredConfig, parse_config
from gateway.remote_config.report import BURST, ConfigReporter
from gateway.remote_config.state import ConfigState
from gateway.remote_config.statuses import rolled_back
from gateway.remote_config.store import StoredConfig
from tests.fixtures.clock import FakeClock
from tests.fixtures.commands import Bus, Told
from tests.fixtures.desired import SigningHarness, site_tree

JUNK = (Fault("", "json.type", "the payload is not an object"),)


class Speaker:
    """A voice, who hears it, and a document that runs beside one that was undone."""

    def __init__(self, folder: Path) -> None:
        office = SigningHarness.trusted_in(folder)
        self.runs, self.undone = (kept(office, version) for version in (5, 6))
        self.standing = ConfigState(DesiredConfig(site=SiteConfig()), self.runs)
        self.standing.last_rollback = rolled_back(self.undone, "deadline", "", 5)
        self.bus, self.told, self.clock = Bus(), Told(), FakeClock()
        self.voice = ConfigReporter(
            Topics("79", "hcm-q1-01"),
            self.standing,
            bus=self.bus,
            events=self.told,
            stamp=lambda: Stamp(0, 1, 1),
            clock=self.clock,
        )

    def heard(self) -> Iterator[dict[str, Any]]:
        while not self.bus.posted.empty():
            posted = self.bus.posted.get_nowait()
            yield read(posted.payload, posted.content_type)


def kept(office: SigningHarness, version: int) -> StoredConfig:
    doc = {"site": site_tree("c01")}
    return StoredConfig.from_document(
        desired_of(office.sign(version, doc)), parse_config("config/2", doc)
    )


@pytest.fixture
def speaker(tmp_path: Path) -> Speaker:
    return Speaker(tmp_path)


def test_a_known_document_is_answered_for_itself(speaker: Speaker) -> None:
    """Whatever was refused in the meantime: it runs, or it was undone, and that is said."""
    speaker.voice.reject(None, JUNK)
    speaker.voice.answer(speaker.runs.document)
    speaker.voice.answer(speaker.undone.document)

    assert [(said["st"], said.get("ver")) for said in speaker.heard()] == [
        ("rejected", None),
        ("applied", 5),
        ("rolled_back", 6),
    ]


def test_what_is_being_tried_stays_the_last_word(speaker: Speaker, tmp_path: Path) -> None:
    """Also when a document comes again that was dealt with before."""
    trying = kept(SigningHarness.trusted_in(tmp_path / "other"), 7)
    speaker.standing.candidate = trying
    speaker.voice.say(speaker.standing.report())
    speaker.voice.answer(speaker.undone.document)

    assert [said["ver"] for said in speaker.heard()] == [7, 6, 7]


def test_a_refused_confirmation_leaves_the_last_word(speaker: Speaker) -> None:
    """Of a document that it is not about."""
    speaker.voice.answer(speaker.runs.document)
    speaker.voice.refuse((Fault("/ver", "confirm.stale", "4 does not wait for a confirmation"),))

    assert [said["st"] for said in speaker.heard()] == ["applied", "rejected", "applied"]


def test_a_flood_is_answered_and_put_down_in_part(speaker: Speaker) -> None:
    """Each has its answer; the audit says how many it was not told of."""
    for _ in range(BURST + 50):
        speaker.voice.reject(None, JUNK)
    speaker.clock.time_s += 60
    speaker.voice.reject(None, JUNK)

    assert len(list(speaker.heard())) == BURST + 51
    assert len(speaker.told.events) == BURST + 1
    assert speaker.told.events[-1].facts["untold"] == 50
