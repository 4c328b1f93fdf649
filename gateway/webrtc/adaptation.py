"""Decides what one viewer is sent when the line does not carry the best: a pure state machine.

It goes down on loss: at once on `HEAVY`, else after `BAD_WINDOWS` in a row, to the best level that
the line carries by what has arrived, or to keyframes only. Loss counts only while less arrives than
the stream has, so that a burst on a line that is wide enough does not, nor what chance takes and
repair gives back. It goes up by trial, a level at a time, since nobody can know whether the line
carries more than it is given; after each trial that fails it waits twice as long.

The estimate of what the line carries comes from what arrives while packets are lost. libwebrtc's
own (REMB) is only the second witness of loss that chance could explain: it says at most 1.5 times
what it receives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from gateway.model.quality import ViewLevel
from gateway.webrtc.loss_meter import LossWindow

HEAVY, CLEAR, LIGHT = 0.25, 0.08, 0.02
"""Shares of packets lost. 5 % at random are none of the line's width, and are repaired."""

BAD_WINDOWS = 2
SIGMAS = 2.0
"""Loss is above a share if chance makes so much of it only in 2 windows of 100."""

REMB_SHARE = 0.85
"""A REMB below this share of what is sent confirms `LIGHT` loss."""

KEYFRAMES_LOSS = 0.15
"""Below this loss a moving picture with repairs is better than keyframes only."""

SETTLE_S = 0.6
"""What is reported until so long after a change may be of what was sent before it."""

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 20.0, 600.0
HOPELESS, HOPELESS_BACKOFF_S = 0.5, 60.0
"""Where less than this share of a stream has arrived, the first trial of it comes later."""

PROVEN_S = 60.0
"""A level that has held for so long is none on trial any more."""

GROWTH_PER_S = 0.01
"""By how much of itself the estimate grows in a second without loss."""

HEADROOM = 1.5
"""The pace is so many times a stream's mean rate at least: keyframes are larger than that."""

LEAST_BPS = 50_000.0

ASSUMED_BPS = 500_000.0
"""A stream whose rate is not known yet is tried on a line that carries so much."""


@dataclass(frozen=True, slots=True)
class LevelOption:
    """A level that this viewer can be sent now.

    Attributes:
        level: Which.
        bps: Mean rate of its stream, in bits per second; None: not known yet.
    """

    level: ViewLevel
    bps: float | None = None


class Adaptation:
    """The level and the pace for one viewer. All times are of one monotonic clock.

    Args:
        top: The best level that the viewer may have.

    Attributes:
        top: As given.
        wanted: What is to be sent; the caller changes to it at a keyframe (`on_changed`).
        urgent: Whether the pictures in between would be lost anyway, and are better not sent.
        estimate_bps: What the line carries; None: more than was ever sent.
    """

    def __init__(self, top: ViewLevel) -> None:
        self.top = self.wanted = self._sent = self._reached = top
        self.urgent = False
        self.estimate_bps: float | None = None
        self._remb_bps: int | None = None
        self._bad_windows = 0
        self._settled_s = self._changed_s = self._raised_s = float("-inf")
        self._lowered_s = float("-inf")  # from then on the next trial is waited for
        self._backoff_s = FIRST_BACKOFF_S

    def pace_bps(self, options: Sequence[LevelOption]) -> float | None:
        """Return the most to put on the line; None: no bound is known."""
        if self.estimate_bps is None:
            return None
        mean_bps = _bps(options, self._sent)
        if self._sent is ViewLevel.KEYFRAMES or mean_bps is None:
            return self.estimate_bps
        return max(self.estimate_bps, HEADROOM * mean_bps)

    def on_remb(self, bps: int) -> None:
        """Note the viewer's own estimate."""
        self._remb_bps = bps

    def on_changed(self, level: ViewLevel, now_s: float) -> None:
        """Note that from now on *level* is sent."""
        self._sent, self._changed_s, self._settled_s = level, now_s, now_s + SETTLE_S
        self._bad_windows = 0
        if level is self.wanted:
            self.urgent = False
            if _rank(level) < _rank(self._reached):
                self._raised_s = now_s
            self._reached = level

    def on_window(self, window: LossWindow, options: Sequence[LevelOption], now_s: float) -> None:
        """Judge by *window*, which has just ended; *options* are best first."""
        if not window.expected or now_s - window.seconds < self._settled_s:
            return
        sent_bps = _bps(options, self._sent)
        short = sent_bps is None or window.received_bps < sent_bps
        heavy = short and window.loss > HEAVY and window.lost >= 10
        clear = short and _above(window, CLEAR)
        if clear or (short and _above(window, LIGHT) and self._remb_confirms(window)):
            self._bad_windows += 1
            if self.estimate_bps is not None:
                self._lower_estimate(window)
        else:
            self._bad_windows = 0
            self._raise_estimate(window)
        if heavy or self._bad_windows >= BAD_WINDOWS:
            self._go_down(window, options, now_s, heavy=heavy)

    def on_tick(self, options: Sequence[LevelOption], now_s: float) -> None:
        """Do what time brings: a trial, its success, or the loss of a level."""
        offered = [each.level for each in options]
        if self.wanted not in offered:
            below = [each for each in offered if _rank(each) > _rank(self.wanted)]
            self.wanted = below[0] if below else offered[-1]
            self._lowered_s = now_s
        if self._sent is not self.wanted:
            return
        if now_s - self._changed_s >= PROVEN_S:
            if self._changed_s == self._raised_s:
                self._backoff_s = FIRST_BACKOFF_S
            if self.wanted is offered[0]:
                self.estimate_bps = None
        if self.wanted is not offered[0] and not self._bad_windows:
            better = options[offered.index(self.wanted) - 1]
            if now_s - max(self._lowered_s, self._changed_s) >= self._wait_s(better):
                self.wanted = better.level

    def _wait_s(self, option: LevelOption) -> float:
        """Return how long to wait for the trial of *option*."""
        carried_bps = self.estimate_bps or float("inf")
        if carried_bps < HOPELESS * (option.bps or 0.0):
            return max(self._backoff_s, HOPELESS_BACKOFF_S)
        return self._backoff_s

    def _go_down(
        self,
        window: LossWindow,
        options: Sequence[LevelOption],
        now_s: float,
        *,
        heavy: bool,
    ) -> None:
        """Want a level that the line carries."""
        self._bad_windows = 0
        if self.estimate_bps is None:
            self._lower_estimate(window)
        lower = [each for each in options if _rank(each.level) > _rank(self._sent)]
        carried = next((each.level for each in lower if self._carries(each)), ViewLevel.KEYFRAMES)
        if not lower or (
            carried is ViewLevel.KEYFRAMES and not heavy and window.loss < KEYFRAMES_LOSS
        ):
            self._abandon_trial(now_s)
            return
        if now_s - self._raised_s < PROVEN_S:
            self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
            self._raised_s = float("-inf")
        self._lowered_s = now_s
        self.wanted, self.urgent = carried, heavy

    def _abandon_trial(self, now_s: float) -> None:
        """Stay where we are; a better level that is waited for is not wanted any more."""
        if _rank(self.wanted) < _rank(self._sent):
            self.wanted = self._sent
            self._lowered_s = now_s

    def _carries(self, option: LevelOption) -> bool:
        if option.level is ViewLevel.KEYFRAMES or self.estimate_bps is None:
            return True
        return (option.bps or ASSUMED_BPS) <= self.estimate_bps

    def _remb_confirms(self, window: LossWindow) -> bool:
        sent_bps = window.received_bps / max(1 - window.loss, 0.01)
        return self._remb_bps is not None and self._remb_bps < REMB_SHARE * sent_bps

    def _lower_estimate(self, window: LossWindow) -> None:
        """What arrives while packets are lost is what the line carries.

        Unless it was given less: then it carries at least so much less than we believed.
        """
        known_bps = self.estimate_bps
        paced_bps = 0.0 if known_bps is None else known_bps * (1 - window.loss)
        self.estimate_bps = max(window.received_bps, paced_bps, LEAST_BPS)

    def _raise_estimate(self, window: LossWindow) -> None:
        if self.estimate_bps is not None and not _above(window, LIGHT):
            grown_bps = self.estimate_bps * (1 + GROWTH_PER_S * window.seconds)
            self.estimate_bps = max(grown_bps, window.received_bps)


def _above(window: LossWindow, share: float) -> bool:
    """Return whether more than *share* is lost, beyond what chance makes of it."""
    mean = share * window.expected
    return window.lost > mean + SIGMAS * sqrt(mean)


def _rank(level: ViewLevel) -> int:
    return _RANKS[level]


def _bps(options: Sequence[LevelOption], level: ViewLevel) -> float | None:
    return next((each.bps for each in options if each.level is level), None)


_RANKS = {level: rank for rank, level in enumerate(ViewLevel)}
