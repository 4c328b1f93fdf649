"""The forms of sites from what they have told the broker."""

from __future__ import annotations

from dataclasses import replace

from gateway.centre.survey import SiteCollector
from gateway.inventory.sections import build_inventory
from gateway.mqtt.epoch import Stamp
from gateway.mqtt.payloads.health import encode_cameras_health
from gateway.mqtt.payloads.inventory import SectionRevision, encode_section, section_trees
from gateway.mqtt.topics import Topics
from gateway.ports import InboundMessage
from tests.fixtures.inventory import NOW_MS, RECORDER, sources
from tests.unit.survey.filled import health

TOPICS = Topics("24", "bacninh-01")
STAMP = Stamp(NOW_MS, 1, 1)


def told(collector: SiteCollector, topic: str, encoded: tuple[str, bytes]) -> None:
    kind, payload = encoded
    collector.on_message(InboundMessage(topic, payload, True, content_type=kind))


def test_a_site_is_filled_from_its_inventory_and_health() -> None:
    """As it would be on its own machine, without contacts."""
    collector = SiteCollector()
    for name, tree in section_trees(build_inventory(sources(), NOW_MS)).items():
        encoded = encode_section(STAMP, SectionRevision(1, "x", tree))
        told(collector, TOPICS.inventory(name), encoded)
    told(collector, TOPICS.cameras_health, encode_cameras_health(STAMP, [health("quay1")]))

    (form,) = collector.forms(NOW_MS)

    assert form.contacts is None
    assert form.missing == ()
    assert form.answer("II.I.4").text == "khai báo 5 / kết nối được 1 / có hình 1"


def test_what_devices_say_of_themselves_comes_by_mqtt() -> None:
    """With its source and time, and where it is not what people have declared."""
    collector = SiteCollector()
    seen = replace(sources(), detected=(RECORDER,))
    for name, tree in section_trees(build_inventory(seen, NOW_MS)).items():
        encoded = encode_section(STAMP, SectionRevision(1, "x", tree))
        told(collector, TOPICS.inventory(name), encoded)

    answer = collector.forms(NOW_MS)[0].answer("II.I.7")

    declared, detected = answer.said
    assert (declared.source, detected.source) == ("declared", "detected")
    assert detected.time_ms == RECORDER.time_ms
    assert "DS-7216, 16 kênh, 2 kênh không có tín hiệu, phiên bản V4.30.005" in detected.text
    assert "khai báo DS-7216HQHI-K1, phát hiện DS-7216" in answer.mismatch


def test_what_cannot_be_read_is_told_of_its_site() -> None:
    """And costs no other site anything; who told no inventory has no form."""
    collector = SiteCollector()

    told(collector, TOPICS.inventory("site"), ("application/json", b"{"))

    assert collector.forms(NOW_MS) == []
    assert collector.rejected["24/bacninh-01"].startswith("up/inv/site: ")
