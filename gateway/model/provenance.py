"""A value and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Origin = Literal["survey", "config", "observed", "onvif", "scan"]
"""Declared by people; said by a configuration; seen by the gateway itself; asked from a device;
found by looking for devices."""


@dataclass(frozen=True, slots=True)
class Sourced(Generic[T]):
    """A value and where it came from.

    Attributes:
        value: What it is.
        origin: Who says so.
        time_ms: Since when it has been known so; None: nobody knows.
    """

    value: T
    origin: Origin
    time_ms: int | None = None
