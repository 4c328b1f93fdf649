"""The form of one site: every field with its source, and where sources disagree."""

from __future__ import annotations

from dataclasses import replace

from gateway.model.survey import WAN
from gateway.mqtt.payloads.inventory import InventorySite
from gateway.survey.answers import MISSING
from gateway.survey.asking import whom_to_ask
from gateway.survey.fill import fill_form
from gateway.survey.form import QUESTIONS
from tests.unit.survey.filled import TECHNICIAN, facts, form, health


def test_the_example_fills_every_field() -> None:
    """What a survey can say, the form shows."""
    assert form(contacts=(TECHNICIAN,)).missing == ()


def test_an_unknown_site_lacks_every_field_and_shows_each() -> None:
    """A field that nobody filled is told missing, never left out."""
    empty = fill_form(replace(facts(), site=InventorySite(), cameras=type(facts().cameras)()))
    lacking = {number: empty.answer(number).text for number in ("II.I.1", "II.I.5", "II.III.2")}

    assert set(lacking.values()) == {MISSING}
    assert {*lacking} <= {*empty.missing}


def test_counts_are_told_as_the_form_wants_them() -> None:
    """Declared, connected, and with a picture."""
    seen = (health("quay1"), health("quay2", "off"), health("khucho", "deg", fps=0.0))

    answer = form(health=seen, health_ms=1).answer("II.I.4")

    assert answer.text == "khai báo 5 / kết nối được 2 / có hình 1"
    assert answer.mismatch == "3 camera không kết nối được; 1 camera chưa có hình"


def test_a_value_names_its_source_and_day() -> None:
    """Of the survey, the day on which it was true."""
    (said,) = form().answer("II.I.3").said

    assert (said.source, said.time_ms) == ("declared", 1_772_409_600_000)
    assert said.text == "Hikvision (2); KBVision (1)"


def test_the_way_out_is_written_with_arrows() -> None:
    """As the dispatch's own example, with names and kinds of the devices."""
    first = form().answer("II.II.1").said[0].items[0].label

    assert first == (
        "camera (4) -> Đầu ghi tầng 1 (đầu ghi DVR, Hikvision DS-7216HQHI-K1)"
        " -> Switch PoE tầng 1 (switch, DS-3E0318P-E) -> firewall, Fortinet FortiGate 60F"
        " -> Modem quang VNPT (modem) -> Internet"
    )
    assert WAN not in first


def test_a_line_that_carries_more_than_declared_is_a_mismatch() -> None:
    """Declared beside measured; a person decides which is right."""
    answer = form(health=(health("quay1", kbps=150_400.0),), health_ms=1).answer("II.III.2")

    assert [each.source for each in answer.said] == ["declared", "measured"]
    assert answer.mismatch == "khai báo 100 Mb/s, đo được 150,4 Mb/s"


def test_a_missing_field_is_asked_of_who_knows_it() -> None:
    """By role; the first contact where nobody has the role."""
    given = form(contacts=(TECHNICIAN.model_copy(update={"name": "B", "role": None}), TECHNICIAN))

    assert whom_to_ask(given, "II.I.2") == TECHNICIAN
    assert getattr(whom_to_ask(given, "III"), "name", None) == "B"
    assert whom_to_ask(form(contacts=()), "II.I.2") is None


def test_contacts_that_stay_at_the_site_are_no_missing_field() -> None:
    """They are personal, and never come by MQTT."""
    assert form(contacts=None).fields == len(QUESTIONS) + 1
    assert "I" in form(contacts=()).missing
