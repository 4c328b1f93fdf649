"""Who is asked for a field of the form that is missing: a contact of the form's own first part."""

from __future__ import annotations

from gateway.model.contacts import ContactConfig
from gateway.survey.answers import SiteForm
from gateway.survey.form import CONTACTS, PART_I, PART_III, QUESTIONS, SYSTEMS


def whom_to_ask(form: SiteForm, field: str) -> ContactConfig | None:
    """Return the contact who is asked for *field* of *form*, by role; None: there is no contact."""
    wanted = ("ioc", "data", "primary") if field == SYSTEMS else ("technical", "primary", "data")
    known = form.contacts or ()
    by_role = (each for role in wanted for each in known if each.role == role)
    return next(by_role, known[0] if known else None)


def field_name(field: str) -> str:
    """Return a field of the form as people look for it: its place and its wording."""
    if field == CONTACTS:
        return PART_I
    if field == SYSTEMS:
        return PART_III
    question = next(each for each in QUESTIONS.values() if each.number == field)
    return f"{field}. {question.wording}"


def asked_of(form: SiteForm, field: str) -> str:
    """Return who is asked for *field*."""
    contact = whom_to_ask(form, field)
    if contact is None:
        return "chưa có đầu mối: bổ sung phần I"
    words = (contact.name, contact.position, contact.unit, contact.phone)
    return ", ".join(each for each in words if each)
