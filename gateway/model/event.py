"""Something that has happened, as the centre is told of it: once, in order, never lost lightly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Weight = Literal["info", "event", "audit"]
"""What goes first when there is no room: what is merely good to know, then what has happened; what
somebody is answerable for stays longest."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that has happened.

    Attributes:
        kind: What, e.g. ``alarm``, ``config``, ``command``, ``session``; lower case, dots.
        facts: Its particulars, in values that JSON knows; codes, not sentences; never a secret.
        weight: How long it is kept when there is no room.
    """

    kind: str
    facts: Mapping[str, object] = field(default_factory=dict)
    weight: Weight = "event"
