"""Forms of many sites as one: by province, and for the country. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.model.provinces import PROVINCES
from gateway.survey.answers import ITEMS, Answer, Item, Said, SiteForm, Source
from gateway.survey.fill import CONFIGURED, DECLARED, LIVE, REACHABLE
from gateway.survey.form import QUESTIONS, Question


@dataclass(frozen=True, slots=True)
class ProvinceForms:
    """The sites of one province as it is since July 2025.

    Attributes:
        code: Of the 34; another one is shown as it is.
        name: See `code`.
        forms: By name of the site.
    """

    code: str
    name: str
    forms: tuple[SiteForm, ...]


@dataclass(frozen=True, slots=True)
class Country:
    """All sites, by province.

    Attributes:
        made_ms: Wall clock of the merge.
        provinces: Those with a site, by code.
    """

    made_ms: int
    provinces: tuple[ProvinceForms, ...]

    @property
    def forms(self) -> tuple[SiteForm, ...]:
        """All of them."""
        return tuple(form for province in self.provinces for form in province.forms)


@dataclass(frozen=True, slots=True)
class CameraTotals:
    """Cameras of several sites; a site that does not say adds nothing."""

    declared: int = 0
    reachable: int = 0
    live: int = 0


def merge_forms(forms: Iterable[SiteForm], made_ms: int) -> Country:
    """Return *forms* by province. Of two of a site the newer counts, and contacts of either."""
    newest: dict[tuple[str, str], SiteForm] = {}
    for form in forms:
        key = (form.province_today, form.gateway)
        newest[key] = _newer(newest[key], form) if key in newest else form
    codes = sorted({code for code, _ in newest})
    provinces = []
    for code in codes:
        ours = [form for (province, _), form in newest.items() if province == code]
        ours.sort(key=lambda form: (form.name, form.gateway))
        provinces.append(ProvinceForms(code, PROVINCES.get(code, code), tuple(ours)))
    return Country(made_ms, tuple(provinces))


def total_answers(forms: Sequence[SiteForm]) -> tuple[Answer, ...]:
    """Return part II for *forms* together.

    What can be added up is, by source; of the rest it is told how many sites have said it.
    `Answer.mismatch` says at how many it is missing or disagrees.
    """
    if len(forms) == 1:
        return tuple(forms[0].answer(number) for number in QUESTIONS)
    return tuple(_total(question, forms) for question in QUESTIONS.values())


def camera_totals(forms: Iterable[SiteForm]) -> CameraTotals:
    """Return how many cameras *forms* count."""
    counts = {DECLARED: 0, REACHABLE: 0, LIVE: 0}
    for form in forms:
        said = {
            item.label: item.count or 0
            for each in form.answer("II.I.4").said
            for item in each.items
        }
        said.setdefault(DECLARED, said.get(CONFIGURED, 0))
        for label in counts:
            counts[label] += said.get(label, 0)
    return CameraTotals(counts[DECLARED], counts[REACHABLE], counts[LIVE])


def _newer(one: SiteForm, other: SiteForm) -> SiteForm:
    old, new = sorted((one, other), key=lambda form: form.made_ms)
    if new.contacts is None and old.contacts is not None:
        return new.model_copy(update={"contacts": old.contacts})
    return new


def _total(question: Question, forms: Sequence[SiteForm]) -> Answer:
    answers = [form.answer(question.number) for form in forms]
    given = [each for each in answers if not each.missing]
    remarks = []
    if len(given) < len(forms):
        remarks.append(f"chưa có ở {len(forms) - len(given)}/{len(forms)} điểm")
    if differing := sum(bool(each.mismatch) for each in given):
        remarks.append(f"có lệch ở {differing}/{len(forms)} điểm")
    if not given:
        said: tuple[Said, ...] = ()
    elif question.sums:
        said = _summed(given)
    else:
        label = f"{len(given)}/{len(forms)} điểm đã có, xem từng điểm"
        said = (Said(source="declared", items=(Item(label=label),)),)
    return Answer(number=question.number, said=said, mismatch="; ".join(remarks))


def _summed(answers: Iterable[Answer]) -> tuple[Said, ...]:
    """Return how many there are of each label, by source; what is not counted counts once."""
    sums: dict[Source, dict[str, int]] = {}
    newest: dict[Source, int] = {}
    for answer in answers:
        for said in answer.said:
            labels = sums.setdefault(said.source, {})
            for item in said.items:
                count = 1 if item.count is None else item.count
                labels[item.label] = labels.get(item.label, 0) + count
            newest[said.source] = max(said.time_ms or 0, newest.get(said.source, 0))
    return tuple(
        Said(source=source, items=tuple(_ranked(sums[source])), time_ms=newest[source] or None)
        for source in sorted(sums)
    )


def _ranked(labels: dict[str, int]) -> list[Item]:
    """Return the most frequent labels, those of cameras' counts in their own order."""
    ranked = list(labels.items())
    if not labels.keys() <= {DECLARED, CONFIGURED, REACHABLE, LIVE}:
        ranked.sort(key=lambda item: -item[1])
    items = [Item(label=label, count=_bounded(count)) for label, count in ranked[: ITEMS - 1]]
    if rest := ranked[ITEMS - 1 :]:
        items.append(Item(label="khác", count=_bounded(sum(count for _, count in rest))))
    return items


def _bounded(count: int) -> int:
    return min(count, 100_000_000)
