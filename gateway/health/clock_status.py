"""Whether the wall clock is synchronised, as the kernel knows it (adjtimex(2))."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Literal

_TIME_ERROR = 5  # the state: not synchronised
_STA_PPSTIME, _STA_UNSYNC, _STA_NANO = 0x0004, 0x0040, 0x2000


class Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2); fields that are not used are `rest`."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """State of the wall clock. None: the kernel does not say.

    Attributes:
        source: What disciplines it; ``free``: nothing. The kernel knows no more than NTP and PPS.
        synced: Whether the kernel holds it to be synchronised.
        offset_ms: What the kernel still has to correct; None while nothing disciplines it.
        error_ms: Estimated error.
    """

    source: Literal["ntp", "pps", "free"] | None = None
    synced: bool | None = None
    offset_ms: float | None = None
    error_ms: int | None = None


def kernel_clock() -> KernelClock:
    """Return the state of the wall clock; changes nothing.

    Raises:
        OSError: The kernel refuses.
    """
    timex = Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    return parse_timex(state, timex)


def parse_timex(state: int, timex: Timex) -> KernelClock:
    """Return what *state* and *timex* of adjtimex(2) mean."""
    error_ms = int(timex.esterror / 1000)
    if state == _TIME_ERROR or timex.status & _STA_UNSYNC:
        return KernelClock("free", synced=False, error_ms=error_ms)
    per_ms = 1_000_000 if timex.status & _STA_NANO else 1_000
    source: Literal["ntp", "pps"] = "pps" if timex.status & _STA_PPSTIME else "ntp"
    return KernelClock(source, synced=True, offset_ms=timex.offset / per_ms, error_ms=error_ms)
