"""How many transcodes this machine can carry, by what the running ones cost.

What a transcode takes is counted in cores: processor time per picture, as its child measures it,
times pictures per second. Before anything has been measured a desktop's figures stand in; each
measurement corrects them by what this machine is slower or faster. One transcode is always let in,
so that a small machine can be tried at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.model.media import Codec

_DECODE_MS = {"h264": 2.8, "h265": 4.6, "mjpeg": 5.1, "mpeg4": 2.8}
_ENCODE_MS = 12.3
"""Processor time per million pixels of a picture; decoding, and scaling with encoding. Measured
on a 2.5 GHz x86-64 core (docs/performance.md, "Transcoding"); for other machines a measured factor
comes on top."""

RESERVED_S = 30.0
"""So long an admitted transcode counts that has not begun."""
MEASURED_PICTURES = 50
"""From so many pictures on a child's figure is believed: its first ones are dear."""


@dataclass(slots=True)
class Load:
    """What one transcode costs, running or admitted.

    Attributes:
        reference_ms: Of one picture on the machine of the table.
        fps: Pictures per second.
        until_s: When it no longer counts; None: while it runs.
        measured_ms: Of one picture here; None: not known yet.
    """

    reference_ms: float
    fps: float
    until_s: float | None = None
    measured_ms: float | None = None


@dataclass(slots=True)
class Capacity:
    """Counts the transcodes of this gateway against its cores.

    Attributes:
        cores: How many they may take together.
        factor: How many times as long as in the table a picture takes here.
    """

    cores: float
    factor: float = 1.0
    _loads: dict[str, Load] = field(default_factory=dict)

    def used(self, now_s: float) -> float:
        """Return how many cores the transcodes take that run or are admitted."""
        for name, load in list(self._loads.items()):
            if load.until_s is not None and load.until_s <= now_s:
                del self._loads[name]
        return sum(self._cores_of(load) for load in self._loads.values())

    @property
    def running(self) -> int:
        """How many run."""
        return sum(load.until_s is None for load in self._loads.values())

    def admit(self, name: str, load: Load, now_s: float) -> str:
        """Admit the transcode *name*; return why it is refused, or nothing.

        One that runs, or is admitted already, is let in again.
        """
        used = self.used(now_s)
        if name in self._loads:
            return ""
        wanted = self._cores_of(load)
        if self._loads and used + wanted > self.cores:
            return (
                f"it would take {wanted:.1f} cores; {used:.1f} of {self.cores:.1f} are taken by "
                f"{len(self._loads)} others"
            )
        load.until_s = now_s + RESERVED_S
        self._loads[name] = load
        return ""

    def begin(self, name: str, load: Load) -> None:
        """Note that *name* runs, admitted or not."""
        load.until_s = None
        self._loads[name] = load

    def end(self, name: str) -> None:
        """Note that *name* runs no more."""
        self._loads.pop(name, None)

    def measure(self, name: str, pictures: int, cpu_s: float, fps: float) -> None:
        """Note what the child of *name* has taken for *pictures* since it began, *fps* now."""
        load = self._loads.get(name)
        if load is None or pictures < MEASURED_PICTURES:
            return
        load.measured_ms, load.fps = cpu_s * 1000 / pictures, fps
        self.factor = load.measured_ms / load.reference_ms

    def _cores_of(self, load: Load) -> float:
        ms = load.measured_ms or load.reference_ms * self.factor
        return ms * load.fps / 1000


def reference_ms(codec: Codec, pixels_in: int, pixels_out: int) -> float:
    """Return what one picture takes on the machine of the table, in milliseconds."""
    return (_DECODE_MS[codec] * pixels_in + _ENCODE_MS * pixels_out) / 1e6
