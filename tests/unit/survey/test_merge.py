"""Forms of many sites as one."""

from __future__ import annotations

from gateway.model.survey import SystemSurvey
from gateway.survey.answers import MISSING
from gateway.survey.form import CONTACT_HINT
from gateway.survey.merge import camera_totals, merge_forms, total_answers
from gateway.survey.printed import Paragraph, Table
from gateway.survey.printed_country import print_country
from tests.unit.survey.filled import TECHNICIAN, form, health

IOC = SystemSurvey(name="Giám sát")
ONE = form(health=(health("quay1"), health("quay2")), health_ms=1)
OTHER = ONE.model_copy(update={"gateway": "bacgiang-01", "name": "Bắc Giang", "answers": ()})


def test_the_newer_form_of_a_site_counts_with_the_contacts_of_the_older() -> None:
    """What came by MQTT is newer, and never has contacts."""
    old = ONE.model_copy(update={"made_ms": 1, "contacts": (TECHNICIAN,), "answers": ()})

    (merged,) = merge_forms((ONE, old), 5).forms

    assert merged.answers == ONE.answers
    assert merged.contacts == (TECHNICIAN,)


def test_a_site_of_the_old_list_is_counted_where_it_is_today() -> None:
    """Bắc Giang was 24 among the 63, and is part of Bắc Ninh, 24 of the 34."""
    old = ONE.model_copy(update={"province": "27", "scheme": "vn-2020", "gateway": "cu-01"})

    (province,) = merge_forms((ONE, old), 5).provinces

    assert (province.code, province.name, len(province.forms)) == ("24", "Bắc Ninh", 2)


def test_counts_are_added_up_and_what_is_missing_is_told() -> None:
    """By source; a site without an answer adds nothing."""
    both = (ONE, ONE.model_copy(update={"gateway": "x-01"}), OTHER)
    totals = {each.number: each for each in total_answers(both)}

    assert totals["II.I.4"].text == "khai báo 10 / kết nối được 4 / có hình 4"
    assert totals["II.I.3"].mismatch == "chưa có ở 1/3 điểm"
    assert totals["II.II.1"].text == "2/3 điểm đã có, xem từng điểm"
    assert camera_totals(both).declared == 10


def test_the_country_shows_every_line_of_every_site() -> None:
    """Three tables a site, and those of province and country."""
    printed = print_country(merge_forms((ONE, OTHER), 5), with_sites=True)
    tables = [each for each in printed.blocks if isinstance(each, Table)]
    questions = [each for each in tables if len(each.rows) == 15]

    assert len(questions) == 4  # country, province, two sites


def test_a_province_that_told_nothing_is_named_beside_one_that_did() -> None:
    """In the country's own parts I and III, not only on the page of its site."""
    given = ONE.model_copy(update={"contacts": (TECHNICIAN,), "systems": (IOC,)})
    silent = OTHER.model_copy(update={"province": "86", "contacts": (), "systems": ()})
    printed = print_country(merge_forms((given, silent), 5), with_sites=False)
    _, contacts, _, systems, *_ = [each for each in printed.blocks if isinstance(each, Table)]

    assert contacts.rows[-1].cells == ("2", *(MISSING,) * 4, f"Vĩnh Long: {CONTACT_HINT}")
    assert systems.rows[-1].cells == ("2", f"Vĩnh Long: {MISSING}", MISSING, MISSING)


def test_a_form_without_a_date_says_so_and_names_its_former_province() -> None:
    """Whoever writes one by hand may leave it out."""
    given = OTHER.model_copy(update={"made_ms": 0, "former_province": "24"})
    printed = print_country(merge_forms((given,), 5), with_sites=True)
    texts = [each.text for each in printed.blocks if isinstance(each, Paragraph)]

    assert "Bắc Giang (bacgiang-01) (trước 01/07/2025: Bắc Giang)" in texts
    assert any(each.startswith("Không rõ lập lúc nào") for each in texts)
