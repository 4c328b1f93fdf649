"""Whether the marker bit ends pictures, by what the camera has done so far.

RFC 6184 §5.1 and RFC 7798 §4.1 put it on the last packet of an access unit. Cameras put it on every
slice or every packet as well. A marker that is not believed is not followed at once: the next
packet tells whether it was true, so nothing is cut off, and the picture comes one packet later.

The first marker of a session is never believed; a confirmed one makes the next ones believed.
After a lie they are believed only for a camera whose pictures all have had the same number of
slices, and there on the last of them.
"""

from __future__ import annotations

from typing import Final

ALIKE = 8
"""So many pictures in a row with one number of slices make that number the camera's."""


class MarkerTrust:
    """What is known of the marker bits of one session.

    Attributes:
        trusted: Whether a marker behind any slice ends the picture.
        lied: Whether one did not.
    """

    def __init__(self) -> None:
        self.trusted = False
        self.lied = False
        self._slices: int | None = None  # of every picture since the lie; None: they differ
        self._alike = 0

    def ends_picture(self, slices: int) -> bool:
        """Return whether a marker behind the whole slice number *slices* ends the picture."""
        return self.trusted or (self._alike >= ALIKE and slices == self._slices)

    def confirm(self) -> None:
        """Note that a new picture began behind a marker."""
        self.trusted = not self.lied

    def refute(self, *, followed: bool) -> None:
        """Note that the picture went on behind a marker; *followed*: it had been ended there."""
        if not self.lied:
            self._slices = _UNKNOWN
        elif followed:
            self._slices, self._alike = None, 0
        self.trusted, self.lied = False, True

    def count_slices(self, slices: int) -> None:
        """Note how many slices a whole picture has had."""
        if not self.lied or self._slices is None:
            return
        if self._slices == _UNKNOWN:
            self._slices = slices
        self._alike += 1
        if slices != self._slices:
            self._slices, self._alike = None, 0


_UNKNOWN: Final = 0
