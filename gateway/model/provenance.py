"""A value and its source (W3C PROV: provenance)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Origin = Literal["survey", "config", "observed", "onvif", "scan"]
"""Declared by people; set in the configuration; observed by the gateway; asked of the device by
ONVIF; found by a network scan."""


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value and its source.

    Attributes:
        value: The value.
        origin: Its source.
        time_ms: Since when it has been so, wall clock; None: unknown.
    """

    value: T
    origin: Origin
    time_ms: int | None = None
