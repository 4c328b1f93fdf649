"""What merged forms look like: the country in the form's order, then its provinces and sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.model.contacts import ContactConfig
from gateway.model.survey import SystemSurvey
from gateway.survey.answers import SiteForm
from gateway.survey.asking import asked_of, field_name
from gateway.survey.fill import time_text
from gateway.survey.form import FORM, PART_I, PART_II, PART_III
from gateway.survey.merge import Country, ProvinceForms, camera_totals, total_answers
from gateway.survey.printed import (
    Block,
    PageBreak,
    Paragraph,
    Printed,
    Row,
    Sheet,
    Table,
    contact_table,
    data_sheet,
    former_text,
    made_text,
    print_heading,
    question_table,
    site_blocks,
    system_table,
)

SUMMARY_COLUMNS = (
    "STT",
    "Tỉnh, thành phố",
    "Số điểm",
    "Camera khai báo",
    "Kết nối được",
    "Có hình",
    "Mức đầy đủ",
    "Mục có lệch",
)
SUMMARY_WIDTHS = (8, 24, 10, 12, 12, 10, 12, 12)


def print_country(country: Country, *, with_sites: bool) -> Printed:
    """Return *country* as a document.

    Args:
        country: The merged forms.
        with_sites: Whether each site's own form follows those of its province.
    """
    blocks = [*print_heading(), *_country_lines(country), summary_table(country)]
    blocks += _parts(country.forms)
    for province in country.provinces:
        blocks += _province_blocks(province, with_sites=with_sites)
    return Printed(f"Phụ lục {FORM}: tổng hợp", country.made_ms, tuple(blocks))


def summary_table(country: Country) -> Table:
    """Return a row for each province, and their sum."""
    rows = [
        Row((str(number), province.name, *_summary(province.forms)))
        for number, province in enumerate(country.provinces, 1)
    ]
    rows.append(Row(("", "Tổng", *_summary(country.forms))))
    return Table(SUMMARY_COLUMNS, SUMMARY_WIDTHS, tuple(rows))


def country_sheets(country: Country) -> tuple[Sheet, ...]:
    """Return *country* as the sheets of a workbook."""
    forms = country.forms
    return (
        Sheet(
            "Tổng hợp", tuple(each.text for each in _country_lines(country)), summary_table(country)
        ),
        Sheet("I", (PART_I,), _contact_table(forms)),
        Sheet("II", (PART_II,), total_table(forms)),
        Sheet("III", (PART_III,), _system_table(forms)),
        _missing_sheet(country),
        data_sheet(country.forms),
    )


def total_table(forms: Sequence[SiteForm]) -> Table:
    """Return part II for *forms* together."""
    return question_table(total_answers(forms), remark="Lệch" if len(forms) == 1 else "Tổng hợp")


def _country_lines(country: Country) -> Iterator[Paragraph]:
    yield Paragraph(
        f"Tổng hợp {len(country.provinces)} tỉnh, thành phố, {len(country.forms)} điểm."
    )
    yield Paragraph(f"Lập lúc {time_text(country.made_ms)}.", "note")


def _summary(forms: Sequence[SiteForm]) -> tuple[str, ...]:
    totals = camera_totals(forms)
    filled, fields = sum(each.filled for each in forms), sum(each.fields for each in forms)
    differing = sum(bool(answer.mismatch) for form in forms for answer in form.answers)
    counts = (len(forms), totals.declared, totals.reachable, totals.live)
    return (*map(str, counts), f"{filled}/{fields}", str(differing))


def _parts(forms: Sequence[SiteForm]) -> Iterator[Block]:
    """Yield the form's three parts for *forms* together."""
    yield Paragraph(PART_I, "part")
    yield _contact_table(forms)
    yield Paragraph(PART_II, "part")
    yield total_table(forms)
    yield Paragraph(PART_III, "part")
    yield _system_table(forms)


def _contact_table(forms: Sequence[SiteForm]) -> Table:
    """Return part I of all *forms*, and which province has told nobody."""
    asked = [form for form in forms if form.contacts is not None]
    return contact_table(_contacts(forms), _provinces_without(asked, lambda form: form.contacts))


def _system_table(forms: Sequence[SiteForm]) -> Table:
    """Return part III of all *forms*, and which province has told no system."""
    return system_table(_systems(forms), _provinces_without(forms, lambda form: form.systems))


def _provinces_without(
    forms: Sequence[SiteForm], told: Callable[[SiteForm], Sequence[object] | None]
) -> tuple[str, ...]:
    """Return the names of the provinces none of whose *forms* has *told* anything."""
    some = dict.fromkeys((form.province_name for form in forms), False)
    for form in forms:
        some[form.province_name] |= bool(told(form))
    return tuple(name for name, has in some.items() if not has)


def _contacts(forms: Sequence[SiteForm]) -> tuple[ContactConfig, ...] | None:
    """Return the contacts of all *forms*, each told of which province; None: all kept apart."""
    if all(form.contacts is None for form in forms):
        return None
    return tuple(
        contact.model_copy(
            update={"note": ": ".join(filter(None, (form.province_name, contact.note)))}
        )
        for form in forms
        for contact in form.contacts or ()
    )


def _systems(forms: Sequence[SiteForm]) -> Iterator[SystemSurvey]:
    """Yield the systems of all *forms*, each told of which province, and once."""
    told = dict.fromkeys((form.province_name, each) for form in forms for each in form.systems)
    for province, system in told:
        yield system.model_copy(update={"name": f"{province}: {system.name}"})


def _province_blocks(province: ProvinceForms, *, with_sites: bool) -> Iterator[Block]:
    yield PageBreak()
    yield Paragraph(f"{province.name} (mã {province.code})", "heading")
    if len(province.forms) > 1 or not with_sites:
        yield Paragraph(f"Tổng hợp {len(province.forms)} điểm.")
        yield from _parts(province.forms)
    for form in province.forms if with_sites else ():
        title = f"{form.name or form.gateway} ({form.gateway}){former_text(form)}"
        yield Paragraph(title, "heading")
        yield Paragraph(made_text(form), "note")
        yield from site_blocks(form)
        if form.missing:
            rows = (Row((field_name(each), asked_of(form, each))) for each in form.missing)
            yield Table(("Mục còn thiếu", "Hỏi"), (60, 40), tuple(rows))


def _missing_sheet(country: Country) -> Sheet:
    rows = (
        Row(
            (
                form.province_name,
                form.name or form.gateway,
                field_name(field),
                asked_of(form, field),
            )
        )
        for form in country.forms
        for field in form.missing
    )
    columns = ("Tỉnh, thành phố", "Điểm", "Mục còn thiếu", "Hỏi")
    return Sheet("Còn thiếu", (), Table(columns, (16, 24, 36, 24), tuple(rows)))
