"""How long a viewer's player is asked to wait with each picture: a pure state machine.

Nothing, as long as little is lost. Where packets are lost by chance, so long that what has been
asked for three times still comes before its picture is shown; then nothing stands still. A browser
that only receives does not know the round trip and asks again after `ASKED_EVERY_S`.

Players keep what they were told last, so that it is said once, and not in every packet.

Reference: http://www.webrtc.org/experiments/rtp-hdrext/playout-delay, RFC 8285 §4.2 (its form).
"""

from __future__ import annotations

import struct
from collections import deque
from math import ceil

from gateway.webrtc.loss_meter import LossWindow

PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
"""As offers and answers name the header extension."""

ASKED_EVERY_S = 0.1
"""libwebrtc (``kDefaultRtt`` of its ``NackRequester``); it looks after it every 20 ms."""

MARGIN_S = 0.08
"""A picture's time, those 20 ms, and the jitter of both."""

LONGEST_S = 0.5
"""No picture is held back longer, however long the round trip."""

LOSS = 0.01
"""Above this share a packet in a thousand is lost twice: several times a minute."""

WINDOWS, LOSSY_WINDOWS = 4, 3
"""Chance takes from nearly every window; a burst, however large, from one or two."""

QUIET_LOSS, QUIET_S = 0.002, 30.0
"""After so long with no more loss than that, nothing is waited for any more."""

_LONGEST_10MS = 0xFFF
_TWO_LIMITS = 2  # length of the element's data, less one


class PlayoutDelay:
    """Decides for one viewer.

    Attributes:
        delay_s: How long its player is to wait, in seconds, a multiple of 0.01; 0: not at all.
    """

    def __init__(self) -> None:
        self._windows: deque[LossWindow] = deque(maxlen=WINDOWS)
        self._quiet_s = 0.0
        self.delay_s = 0.0

    def on_window(self, window: LossWindow, round_trip_s: float | None) -> bool:
        """Judge by *window*, which has just ended; return whether `delay_s` is another now.

        Args:
            window: Of a line that is not narrow: what that loses, no waiting brings back.
            round_trip_s: To the viewer and back; None: not known.
        """
        self._windows.append(window)
        self._quiet_s = self._quiet_s + window.seconds if window.loss <= QUIET_LOSS else 0.0
        before_s = self.delay_s
        if self.delay_s:
            if self._quiet_s >= QUIET_S:
                self.delay_s = 0.0
        elif self._lost_by_chance():
            wait_s = 2 * ASKED_EVERY_S + (round_trip_s or 0.0) + MARGIN_S
            self.delay_s = ceil(min(wait_s, LONGEST_S) * 100) / 100
        return self.delay_s != before_s

    def _lost_by_chance(self) -> bool:
        lossy = sum(window.lost > 0 for window in self._windows)
        lost = sum(window.lost for window in self._windows)
        return lossy >= LOSSY_WINDOWS and lost > LOSS * sum(each.expected for each in self._windows)


def playout_delay_extension(identifier: int, delay_s: float) -> bytes:
    """Return the header extension that asks for *delay_s* at least.

    Args:
        identifier: As negotiated, 1 to 14.
        delay_s: From 0 to 40.95; nothing else bounds the player's delay.
    """
    least_10ms = min(round(delay_s * 100), _LONGEST_10MS)
    limits = least_10ms << 12 | _LONGEST_10MS
    return struct.pack("!HHI", 0xBEDE, 1, (identifier << 4 | _TWO_LIMITS) << 24 | limits)
