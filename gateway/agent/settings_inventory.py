"""Bootstrap settings of the inventory: what may be told."""

from __future__ import annotations

from gateway.model.document import Document


class Inventory(Document):
    """``[inventory]``: what may be told of the site beside what it has.

    Attributes:
        contacts: Whether the centre may ask for ``contacts.json``, the people of this site.
    """

    contacts: bool = False
