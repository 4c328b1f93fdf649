"""Debounces what is observed of streams: nothing that flickers gets into the inventory.

A codec or picture size is accepted once it has been observed without another for ten minutes. A
rate is the rounded mean over ten minutes in which the stream was read; another mean is accepted
only if it differs by more than a threshold. Time is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gateway.model.inventory import Observations, StreamRecord, StreamSnapshot
from gateway.model.provenance import Sourced

STEADY_S = 600.0
"""How long a value must stay, and over how long a mean is taken."""

FPS_CHANGE, KBPS_CHANGE = 0.1, 0.25
"""By which share a mean must differ from the accepted one to replace it."""

_MINUTE_MS = 60_000
_Field = tuple[str, str, str]


@dataclass(slots=True)
class _Mean:
    """Counters of the time in which a stream was read."""

    over_s: float = 0.0
    units: int = 0
    received_bytes: int = 0


@dataclass(slots=True)
class _Measured:
    """One stream: its last snapshot, and the counters since its last mean."""

    last: StreamSnapshot
    last_s: float
    mean: _Mean = field(default_factory=_Mean)


class Debouncer:
    """Accepts observations that stay.

    Args:
        known: What was accepted before, e.g. before a restart.
        steady_s: How long a value must stay.
    """

    def __init__(self, known: Observations, *, steady_s: float = STEADY_S) -> None:
        self._steady_s = steady_s
        self._accepted = dict(known)
        self._candidates: dict[_Field, tuple[str, float]] = {}
        self._measured: dict[tuple[str, str], _Measured] = {}

    @property
    def accepted(self) -> Observations:
        """What is accepted; a copy."""
        return dict(self._accepted)

    def observe(self, streams: Iterable[StreamSnapshot], now_s: float, now_ms: int) -> bool:
        """Observe *streams*; return whether what is accepted has changed.

        Args:
            streams: All that are configured. What is no longer among them is forgotten.
            now_s: Monotonic.
            now_ms: Wall clock, for the time of values.
        """
        before = dict(self._accepted)
        stamp_ms = now_ms // _MINUTE_MS * _MINUTE_MS
        present: set[tuple[str, str]] = set()
        for stream in streams:
            present.add((stream.camera, stream.profile))
            self._accept_settled(stream, now_s, stamp_ms)
            self._measure_rates(stream, now_s, stamp_ms)
        self._forget(present)
        return self._accepted != before

    def _accept_settled(self, stream: StreamSnapshot, now_s: float, stamp_ms: int) -> None:
        size = None
        if stream.width is not None and stream.height is not None:
            size = f"{stream.width}x{stream.height}"
        known = self._known(stream)
        if self._is_settled(stream, "codec", stream.codec, known.codec, now_s):
            known = replace(known, codec=Sourced(str(stream.codec), "observed", stamp_ms))
        if self._is_settled(stream, "resolution", size, known.resolution, now_s):
            known = replace(known, resolution=Sourced(str(size), "observed", stamp_ms))
        self._accept(stream, known)

    def _is_settled(
        self,
        stream: StreamSnapshot,
        name: str,
        value: str | None,
        known: Sourced[str] | None,
        now_s: float,
    ) -> bool:
        """Return whether *value* differs from *known* and has stayed for long enough."""
        key = (stream.camera, stream.profile, name)
        if value is None:  # the stream is not read
            return False
        if known is not None and known.value == value:
            self._candidates.pop(key, None)
            return False
        candidate, since_s = self._candidates.get(key, (value, now_s))
        if candidate != value:
            candidate, since_s = value, now_s
        self._candidates[key] = (candidate, since_s)
        return now_s - since_s >= self._steady_s

    def _measure_rates(self, stream: StreamSnapshot, now_s: float, stamp_ms: int) -> None:
        watched = self._measured.get((stream.camera, stream.profile))
        if watched is None or stream.units < watched.last.units:  # its counters began anew
            self._measured[stream.camera, stream.profile] = _Measured(stream, now_s)
            return
        if stream.codec != watched.last.codec:
            watched.mean = _Mean()
        elif stream.pulling and watched.last.pulling:
            watched.mean.over_s += now_s - watched.last_s
            watched.mean.units += stream.units - watched.last.units
            watched.mean.received_bytes += stream.received_bytes - watched.last.received_bytes
        watched.last, watched.last_s = stream, now_s
        if watched.mean.over_s >= self._steady_s:
            mean, watched.mean = watched.mean, _Mean()
            self._accept_rates(stream, mean, stamp_ms)

    def _accept_rates(self, stream: StreamSnapshot, mean: _Mean, stamp_ms: int) -> None:
        known = self._known(stream)
        fps = round(mean.units / mean.over_s * 2) / 2
        kbps = _two_digits(mean.received_bytes * 8 / 1000 / mean.over_s)
        if fps and _differs(fps, known.fps, FPS_CHANGE):
            known = replace(known, fps=Sourced(fps, "observed", stamp_ms))
        if kbps and _differs(kbps, known.kbps, KBPS_CHANGE):
            known = replace(known, kbps=Sourced(kbps, "observed", stamp_ms))
        self._accept(stream, known)

    def _known(self, stream: StreamSnapshot) -> StreamRecord:
        key = (stream.camera, stream.profile)
        return self._accepted.get(key, StreamRecord(stream.profile))

    def _accept(self, stream: StreamSnapshot, known: StreamRecord) -> None:
        if known != StreamRecord(stream.profile):
            self._accepted[stream.camera, stream.profile] = known

    def _forget(self, present: set[tuple[str, str]]) -> None:
        """Forget streams that are no longer configured."""
        for key in self._measured.keys() - present:
            del self._measured[key]
        for key in self._accepted.keys() - present:
            del self._accepted[key]
        self._candidates = {
            key: value for key, value in self._candidates.items() if key[:2] in present
        }


def _differs(value: float, known: Sourced[float] | Sourced[int] | None, part: float) -> bool:
    return known is None or abs(value - known.value) > part * known.value


def _two_digits(value: float) -> int:
    if value < 1:
        return 0
    return int(round(value, 1 - math.floor(math.log10(value))))
