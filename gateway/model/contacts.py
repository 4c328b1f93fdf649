"""The contact persons of a site. Personal data: in a file of its own that only its owner may read.

Never part of the site document, never retained by the broker, never logged; sent on request only,
and only where the settings of the machine allow it.

Source: Appendix of dispatch 10362/VPCP-KSTT, part I.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.model.document import Document
from gateway.model.survey import Word


class ContactConfig(Document):
    """One person of the form's first table.

    Attributes:
        role: For what to call them.
    """

    name: Word
    unit: Word | None = None
    position: Word | None = None
    phone: Annotated[str, StringConstraints(pattern=r"^[0-9+][0-9 .-]{2,30}$")] | None = None
    note: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    role: Literal["primary", "technical", "data", "ioc", "other"] | None = None


class Contacts(Document):
    """The whole table."""

    contacts: Annotated[tuple[ContactConfig, ...], Field(max_length=64)] = ()
