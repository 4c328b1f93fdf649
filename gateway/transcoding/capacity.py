"""How many encoders this machine can carry, by what the running ones cost: transcodes, captures.

What one takes is counted in cores: processor time per picture, as its child measures it, times
pictures per second. Before anything has been measured a desktop's figures stand in; each transcode
that is measured corrects them by what this machine is slower or faster. A capture is a camera, a
transcode a help for viewers: captures take their cores beside other captures only, transcodes what
is left of them. The first of each kind is always let in, so that a small machine can be tried.
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
SLOWEST = 50.0
"""Times the reference, up or down: what a child says it has taken beyond that is not believed. A
hostile picture may have taken it over, and its figure counts for the transcodes of all cameras."""
MEASURED_PICTURES = 50
"""From so many pictures on a child's figure is believed: its first ones are dear."""


@dataclass(slots=True)
class Load:
    """What one encoder costs, running or admitted.

    Attributes:
        reference_ms: Of one picture on the machine of the table.
        fps: Pictures per second.
        capture: Whether it encodes what a capture device of this machine sends; else a transcode.
        until_s: When it no longer counts; None: while it runs.
        measured_ms: Of one picture here; None: not known yet.
    """

    reference_ms: float
    fps: float
    capture: bool = False
    until_s: float | None = None
    measured_ms: float | None = None


@dataclass(slots=True)
class Capacity:
    """Counts the encoders of this gateway against its cores, each by a name of its own.

    Attributes:
        cores: How many they may take together.
        factor: How many times as long as in the table a picture takes here.
    """

    cores: float
    factor: float = 1.0
    _loads: dict[str, Load] = field(default_factory=dict)

    def used(self, now_s: float) -> float:
        """Return how many cores those take that run or are admitted."""
        for name, load in list(self._loads.items()):
            if load.until_s is not None and load.until_s <= now_s:
                del self._loads[name]
        return sum(self._cores_of(load) for load in self._loads.values())

    @property
    def transcodes(self) -> int:
        """How many transcodes run."""
        return sum(load.until_s is None and not load.capture for load in self._loads.values())

    def admit(self, name: str, load: Load, now_s: float) -> str:
        """Admit *name*; return why it is refused, or nothing.

        One that runs, or is admitted already, is let in again.
        """
        self.used(now_s)
        if name in self._loads:
            return ""
        alike = [each for each in self._loads.values() if each.capture == load.capture]
        before = alike if load.capture else list(self._loads.values())
        used, wanted = sum(map(self._cores_of, before)), self._cores_of(load)
        if alike and used + wanted > self.cores:
            return (
                f"it would take {wanted:.1f} cores; {used:.1f} of {self.cores:.1f} are taken by "
                f"{len(before)} others"
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
        """Note what the child of *name* says it has taken.

        Args:
            name: As in `begin`; of another nothing is noted.
            pictures: For so many since it began; for fewer than `MEASURED_PICTURES` nothing is.
            cpu_s: Processor time, believed as far as `SLOWEST` says.
            fps: Pictures per second now.
        """
        load = self._loads.get(name)
        if load is None or pictures < MEASURED_PICTURES:
            return
        factor = cpu_s * 1000 / pictures / load.reference_ms
        factor = min(max(factor, 1 / SLOWEST), SLOWEST)
        load.measured_ms, load.fps = factor * load.reference_ms, fps
        if not load.capture:  # of which it is not known whether it had to decode
            self.factor = factor

    def _cores_of(self, load: Load) -> float:
        ms = load.measured_ms or load.reference_ms * self.factor
        return ms * load.fps / 1000


def reference_ms(codec: Codec, pixels_in: int, pixels_out: int) -> float:
    """Return what one picture takes on the machine of the table, in milliseconds."""
    return (_DECODE_MS[codec] * pixels_in + _ENCODE_MS * pixels_out) / 1e6
