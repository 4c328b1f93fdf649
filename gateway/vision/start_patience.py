"""How long a child may take until it is ready: longer after each that was not in time.

Loading the libraries takes 0.3 s on a desktop, some seconds from a slow card, and a minute on a
machine that is swapping or emulated. A fixed limit would kill such a child for ever; none at all
would wait for one that hangs. So each kill for this reason doubles the time, up to a bound, and a
child that was quick brings the first back.
"""

from __future__ import annotations

FIRST_S = 20.0
LONGEST_S = 320.0
QUICK_SHARE = 0.5
"""A child that took less than this share of the first patience was quick."""


class StartPatience:
    """The patience of one machine, for all kinds of children: they load the same libraries.

    Args:
        first_s: To begin with, in seconds.
        longest_s: Never more.

    Attributes:
        within_s: How long the next child may take, in seconds.
    """

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.within_s = first_s

    def on_late(self, within_s: float) -> None:
        """A child was killed that was not ready after *within_s*; several at once count once."""
        self.within_s = max(self.within_s, min(2 * within_s, self._longest_s))

    def on_ready(self, took_s: float) -> None:
        """A child was ready after *took_s*."""
        if took_s < self._first_s * QUICK_SHARE:
            self.within_s = self._first_s


PATIENCE = StartPatience()
"""Of this process."""
