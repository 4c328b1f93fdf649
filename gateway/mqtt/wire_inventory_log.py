"""The inventory's change log on the wire: one record for each value that has become another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from gateway.model.inventory import Change
from gateway.model.known import Origin
from gateway.mqtt.wire import WireDocument, open_sealed
from gateway.mqtt.wire_inventory import Section
from gateway.mqtt.wire_site import Count, Word


class InventoryChange(WireDocument):
    """One value that is no longer what it was.

    Attributes:
        at: Place within the section, as JSON pointer; items are named by their id.
        old: Left out: it was not there.
        new: Left out: it is no longer there.
        time_ms: When it was noticed.
        more: Too many to tell one by one: so many, and `old` and `new` are the sections' ``sha``.

    The rest as in `gateway.mqtt.wire_event.Happened`: on the wire a change is an event.
    """

    section: Annotated[Section, Field(alias="sec")]
    rev: Count
    at: Annotated[str, Field(max_length=400)]
    old: JsonValue = None
    new: JsonValue = None
    origin: Annotated[Origin | None, Field(alias="src")] = None
    time_ms: Annotated[Count | None, Field(alias="t")] = None
    more: Count | None = None
    id: Word | None = None
    kind: Annotated[Literal["inventory"] | None, Field(alias="type")] = None
    mono_s: Annotated[float | None, Field(alias="mono", ge=0)] = None
    late: bool | None = None
    first_time_ms: Annotated[Count | None, Field(alias="t0")] = None
    epoch: Annotated[Count | None, Field(alias="ep")] = None
    number: Annotated[Count | None, Field(alias="n")] = None


def change(record: Change) -> dict[str, object]:
    """Return *record* by the wire's keys, as an event's facts."""
    said = InventoryChange.model_validate(record, from_attributes=True)
    return said.model_dump(mode="json", by_alias=True, exclude_none=True)


def read_change(payload: bytes, content_type: str) -> InventoryChange:
    """Read a record of the change log. Raises MessageRejected."""
    return open_sealed(InventoryChange, payload, content_type)
