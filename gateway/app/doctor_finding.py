"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What has been found of one thing.

    Attributes:
        name: Of the thing, for programs.
        status: ``warn``: the gateway runs, but not as well as it could.
        vi: The fact, in Vietnamese.
        en: In English, with what the system itself says.
        details: More of it, each a line; what programs and drivers say is English.
        vi_todo: What to do; empty: nothing.
        en_todo: Likewise.
    """

    name: str
    status: Status
    vi: str
    en: str
    vi_todo: str = ""
    en_todo: str = ""
    details: tuple[str, ...] = ()
