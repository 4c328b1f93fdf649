"""Bounds of every number on the wire that becomes a time, a size or a count.

A number outside its bounds is refused with its place (``greater_than_equal``,
``less_than_equal``), before anything is computed from it. The bounds are wide enough for all that a
gateway can truly have measured, and keep every sum and product of two of them finite, and every
time one that a browser can show. The schemas say them as ``minimum`` and ``maximum``.

Sources: RFC 7493 §2.2 (integers that every JSON reader keeps exact), ECMA-262 §21.4.1.1 (times).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

COUNT = (0, 2**53)
"""What is counted: messages, epochs, packets, bytes."""

TIME_MS = (0, 253_402_300_799_999)
"""Wall clock in milliseconds since 1970, to the end of the year 9999."""

DURATION_S = (0.0, 315_576_000.0)
"""Seconds between two moments of a machine's life: ten years."""

DURATION_MS = (0, 315_576_000_000)
"""The same in milliseconds."""

OFFSET_MS = (-1e13, 1e13)
"""By how much a clock is wrong: a machine without one begins in 1970."""

OFFSET_S = (-1e10, 1e10)
"""The same in seconds."""

AMOUNT = (0.0, 1e12)
"""Rates and sizes as they are measured: kbit/s, MiB, pictures per second."""

PERCENT = (0.0, 100_000.0)
"""A share; more than 100 where a sum over processor cores is said."""

TEMPERATURE_C = (-273.15, 10_000.0)

PIXELS = (0, 65_536)
"""Width or height of a picture; H.265 codes at most 8,444 of them on a side (level 6.2)."""

Count = Annotated[int, Field(ge=COUNT[0], le=COUNT[1])]
TimeMs = Annotated[int, Field(ge=TIME_MS[0], le=TIME_MS[1])]
DurationS = Annotated[float, Field(ge=DURATION_S[0], le=DURATION_S[1])]
Amount = Annotated[float, Field(ge=AMOUNT[0], le=AMOUNT[1])]
Signed = (
    Annotated[int, Field(ge=-COUNT[1], le=COUNT[1])]
    | Annotated[float, Field(ge=-float(COUNT[1]), le=float(COUNT[1]))]
)
"""A value that is only shown: an alarm's or a fault's parameter."""
